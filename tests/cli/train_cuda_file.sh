#!/bin/sh
# train_cuda_file.sh GRAFT SOURCE_DIR -- a job compiled for CUDA devices, trained on the GPU
# that tests/cuda makes up, where there is no NVRTC: the same models, bit for bit, as
# from JOB.json; and which devices it refuses.  GRAFT_LIBCUDA and GRAFT_NVRTC name the fakes.
graft=$1 source=$2
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
failed=0
set -- --set config.hidden_size=16 --set config.num_hidden_layers=1 --set config.num_attention_heads=2 \
    --set config.intermediate_size=24 --set config.vocab_size=240 --set config.hidden_dropout_prob=0.1 \
    --set data.generate.train=40 --set data.generate.validation=12 --set data.generate.test=12 \
    --set training.per_device_train_batch_size=4 --set training.per_device_eval_batch_size=8 \
    --set training.num_train_epochs=1 --set training.gradient_accumulation_steps=2 --set variants=classifier,lora

fail() {
    echo "failed: $*"
    cat "$folder/err"
    failed=1
}

# alone FILE ARGUMENT...: train it without NVRTC
alone() {
    file=$1
    shift
    (cd "$folder" && GRAFT_NVRTC=/nonexistent GRAFT_MODULES=/nonexistent FAKE_CUDA_LOG="$folder/log" \
        "$graft" train "$file" --overwrite "$@") >"$folder/out" 2>"$folder/err"
}

# refused CAPABILITY TEXT FILE: on a device of this capability
refused() {
    FAKE_CUDA_CAPABILITY=$1 alone "$3" --set training.output_dir=no && fail "$3 trains on $1"
    grep -qF "$2" "$folder/err" || fail "$3 on $1: does not say '$2'"
}

"$graft" train "$source/models/jobs/demo.json" --device cuda "$@" --set "training.output_dir=$folder/json" \
    >"$folder/out" 2>"$folder/err" || fail "training of JOB.json"
"$graft" compile "$source/models/jobs/demo.json" --target cuda:sm_80 "$@" -o "$folder/a.gfc" \
    >"$folder/out" 2>"$folder/err" || fail "compiling"
alone a.gfc --set training.output_dir=file || fail "training of NAME.gfc"
cmp "$folder/json/classifier/model.safetensors" "$folder/file/classifier/model.safetensors" || fail "classifier"
cmp "$folder/json/lora/adapter_model.safetensors" "$folder/file/lora/adapter_model.safetensors" || fail "lora"
grep -q '^leaked memory 0$' "$folder/log" || fail "something is left on the device"

# Machine code of sm_80 is for 8.x from 8.0 on, that of sm_90a for 9.0 alone.
FAKE_CUDA_CAPABILITY=8.6 alone a.gfc --set training.output_dir=later --set variants=classifier || fail "a later minor version"
cmp "$folder/json/classifier/model.safetensors" "$folder/later/classifier/model.safetensors" || fail "on 8.6"
refused 9.0 "compiled for sm_80, but cuda:0, " a.gfc
for target in sm_86 sm_90a; do
    "$graft" compile "$source/models/jobs/demo.json" --target "cuda:$target" "$@" --set variants=classifier \
        -o "$folder/$target.gfc" >"$folder/out" 2>"$folder/err" || fail "compiling for $target"
done
refused 8.0 "compiled for sm_86, but cuda:0, " sm_86.gfc
refused 8.0 "compiled for sm_90a, but cuda:0, " sm_90a.gfc
refused 9.2 "compiled for sm_90a, but cuda:0, " sm_90a.gfc
FAKE_CUDA_CAPABILITY=9.0 alone sm_90a.gfc --set training.output_dir=hopper || fail "sm_90a on 9.0"
exit $failed
