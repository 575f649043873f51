# check.sh -- read by the tests of the command line: an empty $folder, and expect.
# At the end: exit $failed.
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
failed=0 input=

# What expect runs; a test may say it anew.
command_line() {
    "$graft" "$@"
}

# expect CODE STREAM TEXT ARGUMENT...: the exit code, and TEXT in `out` or `err`.  What is
# printed stays in $folder/out and $folder/err; standard input is $input, or empty.
expect() {
    code=$1 stream=$2 text=$3
    shift 3
    command_line "$@" >"$folder/out" 2>"$folder/err" <"${input:-/dev/null}"
    got=$?
    if [ $got -ne "$code" ]; then
        echo "$*: exit code $got instead of $code"
        cat "$folder/err"
        failed=1
    elif ! grep -qF -e "$text" "$folder/$stream"; then
        echo "$*: '$text' is not in std$stream:"
        head -40 "$folder/$stream"
        failed=1
    fi
}
