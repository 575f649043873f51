#!/bin/sh
# outside.sh -- the example as a user of the installed library builds and runs it.
#   outside.sh BUILD_DIR SOURCE_DIR CC [FLAG...]
build=$1
source=$2
shift 2
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "$*"
    exit 1
}

cmake --install "$build" --prefix "$folder/usr" >"$folder/log" 2>&1 || { cat "$folder/log"; fail "cannot be installed"; }
pc=$(find "$folder/usr" -name graft.pc) && [ -n "$pc" ] || fail "no graft.pc"
library=$(find "$folder/usr" -name libgraft.so) && [ -n "$library" ] || fail "no libgraft.so"

# It shows what its header says, and nothing else.
nm -D --defined-only "$library" | awk '{ print $3 }' | sort >"$folder/shown"
grep -o 'graft_[a-z_]*(' "$source/runtime/graft.h" | tr -d '(' | sort -u >"$folder/declared"
diff "$folder/declared" "$folder/shown" || fail "the library shows other names than its header"

# The prefix of graft.pc is the configured one: here it is another.
mkdir "$folder/empty" && cd "$folder/empty" || exit 1
cp "$source/tests/embed/example.c" .
libdir=$(dirname "$library")
flags="-I$folder/usr/include -L$libdir -lgraft"
grep -q -- '-lgraft' "$pc" || fail "graft.pc does not link the library"
"$@" -std=c99 -Wall -Wextra -Wpedantic -Werror example.c $flags -Wl,-rpath,"$libdir" -o example ||
    fail "the example does not compile"
if command -v c++ >/dev/null; then # the header is one of C++, too
    echo '#include <graft.h>' >header.cc
    c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror $flags -fsyntax-only header.cc || fail "C++ does not take the header"
fi
env -u GRAFT_MODULES ./example "$folder/usr/share/graft/models/jobs/demo.json" model >out 2>err ||
    { cat out err; fail "the example fails"; }
grep -q '^step  30  loss' out && grep -q '^"so much rain": ' out || { cat out; fail "the example says something else"; }
[ -s err ] && { cat err; fail "the library prints"; }
[ -f model/config.json ] || fail "no model was saved"
[ -d results ] && fail "something was written that nobody asked for"
cat out
echo "1 passed, 0 failed"
