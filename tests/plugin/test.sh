#!/bin/sh
# test.sh -- passes from shared objects, built as outside of graft, from an installed tree.
#   test.sh SOURCE_DIR PREFIX
# Exit: 0 all fine, 1 not, 77 no compiler.
source=$1/tests/plugin prefix=$2
graft=$prefix/bin/graft
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
passed=0 failed=0

command -v "${CC:-cc}" >/dev/null && command -v make >/dev/null || { echo "no compiler or make"; exit 77; }
cp "$source"/*.c "$source/Makefile" "$folder" && cd "$folder" || exit 1
make -s PREFIX="$prefix" CC="${CC:-cc}" || { echo "the passes do not build"; exit 1; }
cat >g.gir <<'GIR'
graph @g(tokens) {
  %x = input : f32[tokens,8]
  %w = param "w" : f32[8,8]
  %y = linear %x, %w : f32[tokens,8]
  %z = neg %y : f32[tokens,8]
  return z = %z
}
GIR

# expect CODE STREAM TEXT ARGUMENT...: the exit code, and TEXT in `out` or `err`.
expect() {
    code=$1 stream=$2 text=$3
    shift 3
    "$graft" "$@" >out 2>err </dev/null
    got=$?
    if [ $got -ne "$code" ] || ! grep -qF -e "$text" $stream; then
        echo "BROKEN=$BROKEN graft $*: exit code $got (wanted $code), or '$text' is not in std$stream:"
        cat out err
        failed=$((failed + 1))
    else
        passed=$((passed + 1))
    fi
}

# expect_broken WHAT TEXT: one error with this text, from both commands that load.
expect_broken() {
    export BROKEN=$1
    for command in "passes" "opt g.gir --passes=mine"; do
        expect 1 err "$2" $command --load-pass ./broken.so
        [ "$(grep -c 'error GF' err)" = 1 ] || { echo "$1: not one error"; cat err; failed=$((failed + 1)); }
    done
    unset BROKEN
}

# What works.
expect 0 err "ops=1" opt g.gir --load-pass ./example.so --passes=count-ops --stats
expect 0 err "ops=1" opt g.gir --load-pass example.so '--passes=count-ops{op=neg}' --stats
expect 0 out "return z = %z, tap.y = %y, tap.w = %w" opt g.gir --load-pass ./example.so '--passes=tap{values="y w"},dce'
expect 0 err "// after tap" opt g.gir --load-pass ./example.so '--passes=tap{values=y}' --print-after=tap
expect 0 out "from ./example.so" passes --load-pass ./example.so
expect 0 out "options {op:s=linear}" passes --load-pass ./example.so
expect 0 out "values: string, must be given" passes tap --load-pass ./example.so
expect 0 out "counts      things" passes mine --load-pass ./example.so --load-pass ./broken.so
expect 0 out "%z = neg" opt g.gir --load-pass ./example.so --load-pass ./broken.so --passes=mine,count-ops
expect 0 err "ops=2" compile "$1/models/bert.json" --set num_hidden_layers=0 --load-pass ./example.so \
    '--passes=count-ops{op=layer_norm},autodiff,count-ops{op=linear}' --emit ir --stats
BROKEN=nothing expect 0 out "counts nothing" passes --load-pass ./broken.so

# What the user has wrong.
expect 1 err "did you mean 'count-ops'?" opt g.gir --load-pass ./example.so --passes=count-op
expect 1 err "there is no pass 'count-ops'" opt g.gir --passes=count-ops
expect 1 err "did you mean 'neg'?" opt g.gir --load-pass ./example.so '--passes=count-ops{op=nog}'
expect 1 err "'tap' needs the option 'values'" opt g.gir --load-pass ./example.so --passes=tap
expect 1 err "'tap' needs a graph without kernels" opt g.gir --load-pass ./example.so '--passes=fuse,tap{values=y}'
expect 1 err "--passes:1:1: error GF0301: there is no value '%q'" opt g.gir --load-pass ./example.so '--passes=tap{values=q}'
expect 2 err "did you mean 'tap'?" passes tab --load-pass ./example.so
expect 2 err "did you mean 'tap'?" opt g.gir --load-pass ./example.so '--passes=tap{values=y}' --print-after=tab
expect 1 err "missing.so: error GF0002: the passes cannot be read: No such file" passes --load-pass missing.so
expect 1 err "g.gir: error GF0002: the passes cannot be loaded" passes --load-pass g.gir
expect 1 err "undefined symbol: gf_not_there" passes --load-pass ./undefined.so
expect 1 err "there is a pass 'count-ops' already, in ./example.so" passes --load-pass ./example.so --load-pass example.so

# What the object has wrong: one error, never a crash.
expect_broken null "returns NULL"
expect_broken abi "made for another graft"
expect_broken layout "made for another graft: 9.9.9, this is"
expect_broken no-passes "holds 1 to 256 passes, this one says 0"
expect_broken no-count "this one says 0"
expect_broken many "this one says 100000"
expect_broken no-name "pass 0 has no name such as 'count-linears': it is NULL"
expect_broken name "it is called no name"
expect_broken empty-name "pass 0 has no name"
expect_broken clash "there is a pass 'cse' already, in graft itself"
expect_broken no-function "'mine' has no function"
expect_broken needs "'mine' needs what graft does not know: 0x40000000"
expect_broken changes "'mine' changes what graft does not know: 0x6"
expect_broken counters "'mine' has 7 counters; there can be 6"
expect_broken counter "'b=c' is no name of a counter"
expect_broken option-kind "'m:x' is no option"
expect_broken option-colon "'n' is no option"
expect_broken option-value "'n:i=one' is no option"
expect_broken option-end "'n:' is no option"
expect_broken option-long "is no option"
expect_broken option-twice "'mine' has the option 'n' twice"

# What a pass does wrong.
BROKEN=silent expect 1 err "the pass 'mine' has failed and does not say why" opt g.gir --load-pass ./broken.so --passes=mine
BROKEN=breaks expect 1 err "the pass 'mine' has left a broken graph: this is a bug in ./broken.so" \
    opt g.gir --load-pass ./broken.so --passes=mine
BROKEN=lies expect 1 err "g.gir:5:3: error GF0201: the output 'z' differs by 1 of its norm" \
    opt g.gir --load-pass ./broken.so --passes=mine --check-each
BROKEN=lies expect 1 err "the pass 'mine' changes values: this is a bug in ./broken.so" \
    opt g.gir --load-pass ./broken.so --passes=cse,mine,dce --check-each
BROKEN=lies expect 0 out "%1 = scale %y {by = 2.0}" opt g.gir --load-pass ./broken.so --passes=mine
expect 0 out "return z = %z, tap.y = %y" opt g.gir --load-pass ./example.so '--passes=tap{values=y},dce' --check-each

BROKEN=mumbles expect 1 err "line 2 of the text reads back as another: '  %x = input : f32[tokens,8] // hm '" \
    opt g.gir --load-pass ./broken.so --passes=mine --verify-each
BROKEN=mumbles expect 0 out "// hm" opt g.gir --load-pass ./broken.so --passes=mine

# A pass finds every function that the header declares: a C file that names them all loads.
{
    echo '#include <graft_pass.h>'
    echo 'void *const all[] = {'
    sed -e '/^static inline/d' -n -e 's/^[A-Za-z].*[ *]\(gf_[a-z0-9_]*\)(.*/    (void *)\1,/p' "$prefix/include/graft_pass.h"
    echo '};'
    echo 'static GfStatus run(GfPassCtx *cx, GfGraph *g) { (void)cx, (void)g; return GF_OK; }'
    echo 'static const GfPassRow rows[] = {{{.text = "all"}, run}};'
    echo 'GF_EXPORT_PASSES(rows)'
} >all.c
[ "$(grep -c '(void \*)gf_' all.c)" -gt 80 ] || { echo "the header declares few functions"; failed=$((failed + 1)); }
"${CC:-cc}" -shared -fPIC -I"$prefix/include" all.c -o all.so || failed=$((failed + 1))
expect 0 out "from ./all.so" passes --load-pass ./all.so

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
