#!/bin/sh
# train_cuda.sh GRAFT SOURCE_DIR -- `graft train --device cuda` on the GPU that
# tests/cuda makes up: every loss, gradient norm and evaluation as on the CPU, the
# same bytes again, bf16 close by; a cache of kernels that is not whole.  GRAFT_LIBCUDA and GRAFT_NVRTC name the fakes.
graft=$1 source=$2
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
failed=0

fail() {
    echo "failed: $*"
    failed=1
}

# train NAME DEVICE ARGUMENT...: a small job, in NAME; its losses in NAME.losses
train() {
    name=$1 device=$2
    shift 2
    FAKE_CUDA_LOG="$folder/$name.log" "$graft" train "$source/models/jobs/demo.json" --device "$device" \
        --set config.hidden_size=16 --set config.num_hidden_layers=1 --set config.num_attention_heads=2 \
        --set config.intermediate_size=24 --set config.vocab_size=240 --set config.hidden_dropout_prob=0.1 \
        --set data.generate.train=40 --set data.generate.validation=12 --set data.generate.test=12 \
        --set training.per_device_train_batch_size=4 --set training.per_device_eval_batch_size=8 \
        --set training.num_train_epochs=1 \
        --set "training.output_dir=$folder/$name" --losses "$folder/$name.losses" "$@" \
        >"$folder/$name.out" 2>"$folder/$name.err" && return
    fail "training of $name"
    cat "$folder/$name.err"
}

# numbers FILE NAMES: a line "NAME value" for each of these keys
numbers() {
    tr ',{}' '\n\n\n' <"$1" | sed -n "s/^ *\"\($2\)\": *\([-0-9.e+]*\)\$/\1 \2/p"
}

# is_close A B NAMES RELATIVE COUNT: the numbers of both files in order, COUNT of them, each as close as that
is_close() {
    numbers "$1" "$3" >"$folder/a"
    numbers "$2" "$3" >"$folder/b"
    paste -d ' ' "$folder/a" "$folder/b" | awk -v most="$4" -v count="$5" '
        { d = $2 - $4; d = d < 0 ? -d : d; s = $4 < 0 ? -$4 : $4
          if (NF != 4 || $1 != $3 || !(d <= most * s)) { print "  " $0; bad = 1 } }
        END { if (NR != count) print "  " NR " numbers for " count; exit bad || NR != count }'
}

# full and lora gather two batches a step; classifier does not, and has a step under way while one is put in
all="--set variants.0.training.gradient_accumulation_steps=2 --set variants.2.training.gradient_accumulation_steps=2"
train cpu cpu $all
export GRAFT_CACHE="$folder/cache"
train cuda cuda $all

# Of three kernels in the cache one is damaged, two stand for each other; they are compiled anew.
set -- "$folder"/cache/*.cubin
cp -r "$folder/cache" "$folder/cache.kept"
printf 'x' | dd of="$1" bs=1 seek=1000 conv=notrunc 2>/dev/null
cp "$2" "$folder/x" && mv "$3" "$2" && mv "$folder/x" "$3"
train again cuda $all
for entry in "$1" "$2" "$3"; do
    cmp "$entry" "$folder/cache.kept/$(basename "$entry")" || fail "an entry of the cache that was not whole is served"
done

# f32 on both: sums in another order, some 1e-7 each; 5, 10 and 5 steps
is_close "$folder/cuda.losses" "$folder/cpu.losses" 'loss\|grad_norm' 1e-5 40 || fail "losses differ"
is_close "$folder/cuda/comparison.json" "$folder/cpu/comparison.json" 'eval_loss\|eval_f1' 1e-5 6 ||
    fail "evaluations differ"
grep -q '"target": "cuda:sm_80"' "$folder/cuda/comparison.json" || fail "comparison.json does not name the target"
for weights in full/model classifier/model lora/adapter_model; do
    cmp "$folder/cuda/$weights.safetensors" "$folder/again/$weights.safetensors" || fail "$weights again"
done

# Factors of products are rounded to bf16, by up to 2^-9 = 0.2 %: a loss moves by less
# than five times that, and is not the same.
train bf16 cuda --set training.bf16=true --set variants=lora --set training.gradient_accumulation_steps=2
grep '"lora"' "$folder/cpu.losses" >"$folder/lora.losses"
is_close "$folder/bf16.losses" "$folder/lora.losses" loss 1e-2 5 || fail "bf16 is far off"
is_close "$folder/bf16.losses" "$folder/lora.losses" loss 1e-6 5 >/dev/null && fail "bf16 rounds nothing"

# Predictions of one model on both, with a batch under way while the next is put in.
awk 'BEGIN { for (i = 0; i < 30; i++) { for (k = 0; k < i % 9; k++) printf "word%d rain glad ", k; print "so" } }' >"$folder/texts"
for device in cpu cuda; do
    FAKE_CUDA_LOG="$folder/predict.log" "$graft" predict "$folder/cuda/lora" --device $device --input "$folder/texts" \
        --batch-size 4 --logits >"$folder/$device.answers" 2>"$folder/err" || fail "predict: $(cat "$folder/err")"
done
tr ',[]}' '\n\n\n\n' <"$folder/cpu.answers" | sed -n 's/^ *\([-0-9][-0-9.e]*\)$/"x": \1/p' >"$folder/cpu.predicted"
tr ',[]}' '\n\n\n\n' <"$folder/cuda.answers" | sed -n 's/^ *\([-0-9][-0-9.e]*\)$/"x": \1/p' >"$folder/cuda.predicted"
is_close "$folder/cuda.predicted" "$folder/cpu.predicted" x 1e-4 180 || fail "predictions differ"

for name in cuda again bf16 predict; do
    grep '^leaked .* [1-9]' "$folder/$name.log" && fail "$name left something behind"
    grep -q '^leaked memory 0$' "$folder/$name.log" || fail "$name ended without a word"
done
exit $failed
