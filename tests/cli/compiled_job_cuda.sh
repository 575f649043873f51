#!/bin/sh
# compiled_job_cuda.sh GRAFT SOURCE_DIR FOLDER -- a job compiled for CUDA devices into one
# file, without a GPU: what is in it, and where it refuses to run.  FOLDER keeps cubins.
# Exit 77 (skipped) where there is no NVRTC.
set -u
graft=$1 source=$2 keep=$3
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
failed=0

# expect CODE TEXT ARGUMENT...: of `graft`, where neither NVRTC nor a driver is
expect() {
    code=$1 text=$2
    shift 2
    GRAFT_NVRTC=/nonexistent GRAFT_LIBCUDA=/nonexistent GRAFT_MODULES=/nonexistent "$graft" "$@" \
        >"$out/stdout" 2>"$out/stderr" </dev/null
    got=$?
    if [ $got -ne "$code" ] || ! grep -qF -e "$text" "$out/stdout" "$out/stderr"; then
        echo "graft $*: exit code $got instead of $code, or it does not say '$text':"
        cat "$out/stderr"
        failed=1
    fi
}

mkdir -p "$keep" || exit 1
GRAFT_CACHE="$keep/cubins" "$graft" compile "$source/models/jobs/demo.json" --target cuda:sm_80 \
    --set variants=classifier -o "$out/demo.gfc" >"$out/stdout" 2>"$out/stderr" || {
    cat "$out/stderr"
    grep -q 'no libnvrtc was found' "$out/stderr" && exit 77
    exit 1
}
grep -q "compiled for cuda:sm_80" "$out/stdout" || { echo "the summary does not name the target"; failed=1; }

run="--set training.output_dir=$out/run"
expect 0 "compiled job demo for cuda:sm_80" inspect "$out/demo.gfc"
expect 1 "it cannot be trained on 'cpu'" train "$out/demo.gfc" $run --device cpu
expect 1 "/nonexistent" train "$out/demo.gfc" $run
expect 1 "/nonexistent" train "$out/demo.gfc" $run --device cuda:0
expect 1 "'training.bf16' is compiled in" train "$out/demo.gfc" $run --set training.bf16=true
expect 1 "names no architecture" compile "$source/models/jobs/demo.json" --target cuda:sm_70 -o "$out/old.gfc"
[ -e "$out/old.gfc" ] && { echo "a file without programs was written"; failed=1; }
exit $failed
