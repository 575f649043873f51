#!/bin/sh
# cuda_faults.sh GRAFT SOURCE_DIR [STRIDE] -- `graft train --device cuda` where the
# driver fails: in its first call, its second, ... each time one plain error that
# names the function and what it was for, nothing left behind on the device, and a
# whole model in the folder.  Then what else a machine may lack.  Kernels are not run;
# GRAFT_LIBCUDA and GRAFT_NVRTC name the fakes.  STRIDE 7: every seventh call alone.
graft=$1 source=$2 stride=${3:-1}
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
export FAKE_CUDA_RUN=0 FAKE_CUDA_LOG="$folder/log" GRAFT_CACHE="$folder/cache"
model=$folder/run/classifier/model.safetensors
failed=0

fail() {
    echo "failed: $*"
    cat "$folder/err"
    failed=1
}

# train ARGUMENT...: two steps and an evaluation; the exit code
train() {
    rm -f "$folder/log"
    "$graft" train "$source/models/jobs/demo.json" --device cuda --overwrite --set variants=classifier \
        --set config.hidden_size=16 --set config.num_hidden_layers=1 --set config.num_attention_heads=2 \
        --set config.intermediate_size=24 --set config.vocab_size=240 --set training.max_steps=2 \
        --set data.generate.train=8 --set data.generate.validation=4 --set data.generate.test=4 \
        --set training.per_device_train_batch_size=4 --set training.per_device_eval_batch_size=4 \
        --set "training.output_dir=$folder/run" "$@" >"$folder/out" 2>"$folder/err"
}

# ---- every call ----

# The model of an earlier run, and what the run at hand would make of it.
train --set training.seed=1 || fail "a run without a fault"
cp "$model" "$folder/old"
train || fail "another"
cp "$model" "$folder/new"
cmp -s "$folder/old" "$folder/new" && fail "two seeds give one model"
calls=$(sed -n 's/^calls //p' "$folder/log")
[ "${calls:-0}" -gt 200 ] || fail "only '$calls' calls"

# check N CODE: what a run whose Nth call has failed has said and left.  What fails in
# freeing changes nothing, nor does the wait before it: one of each of two programs.
waits=0
check() {
    function=$(sed -n "s/^failed $1 \([A-Za-z0-9_]*\).*/\1/p" "$folder/log")
    [ -n "$function" ] || fail "call $1: no call has failed, or there is no log"
    if grep -q '^failed .* when all was freed$' "$folder/log"; then
        [ "$2" -lt 128 ] || fail "call $1, $function: exit code $2"
    elif [ "$2" = 0 ] && [ "$function" = cuStreamSynchronize ] && [ $waits -lt 2 ]; then
        waits=$((waits + 1))
    else
        [ "$2" -gt 0 ] && [ "$2" -lt 128 ] || fail "call $1, $function: exit code $2"
        [ "$(grep -c 'error GF' "$folder/err")" = 1 ] || fail "call $1, $function: not one error"
        grep -q "error GF[0-9]*: [a-z0-9].*: $function: CUDA_ERROR_\|: cuda:0, .* needs [0-9]* MB" "$folder/err" ||
            fail "call $1, $function: the error does not say what failed"
    fi
    grep '^leaked .* [1-9]' "$folder/log" && fail "call $1, $function: something is left"
    if [ "$2" = 0 ]; then
        cmp -s "$model" "$folder/new" || fail "call $1, $function: success without the model"
    else
        cmp -s "$model" "$folder/old" || cmp -s "$model" "$folder/new" || fail "call $1, $function: no whole model"
    fi
}

n=1
while [ "$n" -le "${calls:-0}" ]; do
    cp "$folder/old" "$model"
    FAKE_CUDA_FAIL=$n train
    check "$n" $?
    n=$((n + stride))
done

# ---- what a machine may lack ----

# lacks TEXT SETTING [ARGUMENT...]: exit code 1 and one error with the text
lacks() {
    text=$1 setting=$2
    shift 2
    (export "$setting" && train "$@")
    code=$?
    [ $code = 1 ] && [ "$(grep -c 'error GF' "$folder/err")" = 1 ] && grep -q "error GF.*$text" "$folder/err" ||
        fail "$setting $*: exit code $code, '$text' expected"
    [ ! -e "$folder/log" ] || ! grep '^leaked .* [1-9]' "$folder/log" || fail "$setting: something is left"
}

lacks "the memory of parameters and optimizer state needs [0-9]* MB, and [0-9]* MB are free" FAKE_CUDA_MEMORY=20000
lacks "the memory of a step needs [0-9]* MB" FAKE_CUDA_MEMORY=40000
lacks "the driver is of CUDA 11.8; 12.0 or newer is needed" FAKE_CUDA_VERSION=11080
lacks "there is a driver, but no CUDA device" FAKE_CUDA_DEVICES=0
lacks "compute capability 7.5; 8.0 is needed" FAKE_CUDA_CAPABILITY=7.5
lacks "GRAFT_LIBCUDA names '/nonexistent/libcuda.so', which cannot be loaded" GRAFT_LIBCUDA=/nonexistent/libcuda.so
lacks "libcuda lacks the function cu" "GRAFT_LIBCUDA=$GRAFT_NVRTC"
lacks "GRAFT_NVRTC names '/nonexistent/libnvrtc.so'" GRAFT_NVRTC=/nonexistent/libnvrtc.so
lacks "there is no device 'cuda:1': the driver has 1" FAKE_CUDA_DEVICES=1 --device cuda:1
export GRAFT_CACHE=
lacks "does not compile for sm_80: error: " "FAKE_NVRTC_TEXT=this is no text of a kernel"
exit $failed
