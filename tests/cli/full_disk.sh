#!/bin/sh
# full_disk.sh GRAFT SOURCE_DIR FAIL_IO.so -- every write, fsync, rename and mkdir of a
# run with two checkpoints fails once, with ENOSPC or EIO: one clear error, exit 1 or 2,
# and what was saved before is whole, so that --resume comes to the end that the run
# would have had.  GRAFT_FAULT_STRIDE: only every so manyth call (default 15), from
# GRAFT_FAULT_FIRST on (default 1).
set -u
graft=$1 source=$2 shim=$3 stride=${GRAFT_FAULT_STRIDE:-15}
out=$(mktemp -d) passed=0 failed=0
trap 'rm -rf "$out"' EXIT

train() { # OPTION...
    "$graft" train "$source/models/jobs/demo.json" --set "training.output_dir=$out/run" --set variants=lora-all \
        --set data.generate.train=64 --set data.generate.validation=32 --set data.generate.test=32 \
        --set training.num_train_epochs=2 --set training.save_total_limit=1 --set config.num_hidden_layers=1 \
        --set training.metric_for_best_model=loss --set training.load_best_model_at_end=true --threads 1 "$@"
}

digest() {
    (cd "$out/run/lora" && ls && cksum *.safetensors checkpoint-*/*.safetensors)
}

wrong() { # WHAT
    failed=$((failed + 1))
    echo "failed: call $n: $1"
    sed 's/^/    /' "$out/stderr"
}

FAIL_IO_COUNT="$out/count" LD_PRELOAD="$shim" train >"$out/stdout" 2>&1 || { cat "$out/stdout"; exit 1; }
calls=$(cat "$out/count")
digest >"$out/expected"
[ "$calls" -gt 60 ] || { echo "failed: only $calls calls: the shim does not see them"; exit 1; }

n=${GRAFT_FAULT_FIRST:-1}
while [ $n -le "$calls" ]; do
    rm -rf "$out/run"
    FAIL_IO_AT=$n FAIL_IO_ERROR=$((n % 2 ? 28 : 5)) LD_PRELOAD="$shim" train >"$out/stdout" 2>"$out/stderr"
    status=$?
    if [ $status = 0 ] || [ $status -gt 127 ]; then
        wrong "exit $status"
    elif [ "$(grep -c ': error GF' "$out/stderr")" != 1 ]; then
        wrong "not one error"
    elif ! grep -qE 'No space left|Input/output error' "$out/stderr"; then
        wrong "it does not say why"
    elif ! train --resume >"$out/stdout" 2>"$out/stderr"; then
        wrong "--resume fails"
    elif ! digest | cmp -s "$out/expected" -; then
        wrong "--resume comes to another end"
        digest | diff "$out/expected" - | head -n 5
    else
        passed=$((passed + 1))
    fi
    n=$((n + stride))
done
echo "$calls calls"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
