#!/bin/sh
# compiled_job_alone.sh GRAFT SOURCE_DIR FOLDER -- a build without LLVM trains what a build with it
# has compiled, to the same models bit for bit.  Exit 77 (skipped) where
# compiled_job.sh has left nothing in FOLDER, or with other sources.
set -u
graft=$1 source=$2 keep=$3
[ -f "$keep/demo.gfc" ] && [ "$(sh "$source/tests/cli/sources.sh" "$source")" = "$(cat "$keep/sources")" ] || exit 77
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT

if "$graft" train "$source/models/jobs/demo.json" --device cpu --set training.output_dir="$out/no" >"$out/log" 2>&1 ||
    ! grep -q "not in this build" "$out/log"; then
    echo "this build can compile for the cpu: it shows nothing"
    exit 1
fi
"$graft" train "$keep/demo.gfc" --set training.max_steps=12 --set "training.output_dir=$out" >"$out/log" 2>&1 || {
    cat "$out/log"
    exit 1
}
(cd "$out" && cksum full/model.safetensors classifier/model.safetensors lora/adapter_model.safetensors) >"$out/cksum"
diff "$keep/demo.cksum" "$out/cksum" || {
    echo "other models than those of the build that compiled $keep/demo.gfc"
    exit 1
}
