#!/bin/sh
# kill_resume.sh GRAFT SOURCE_DIR -- SIGKILL at random moments, saves included: after
# --resume parameters, log and choice of the best model are those of a run that was
# never stopped, bit for bit (times apart).  GRAFT_KILLS: at least so many (default 6).
set -u
graft=$1 source=$2 kills=${GRAFT_KILLS:-6}
out=$(mktemp -d) passed=0 failed=0 done=0
trap 'rm -rf "$out"' EXIT

# The job: two variants that stop early, dropout, accumulated gradients, two checkpoints kept.
cat >"$out/train" <<END
folder=\$1
shift
exec "$graft" train "$source/models/jobs/demo.json" --set "training.output_dir=\$folder" --set variants=full,lora-all \
    --set data.generate.train=640 --set data.generate.validation=160 --set data.generate.test=160 \
    --set training.num_train_epochs=30 --set training.metric_for_best_model=eval_f1 \
    --set training.load_best_model_at_end=true --set training.early_stopping_patience=3 \
    --set training.early_stopping_threshold=0.01 --set training.save_total_limit=2 \
    --set config.hidden_dropout_prob=0.1 --set config.attention_probs_dropout_prob=0.1 \
    --set training.gradient_accumulation_steps=2 --threads 2 "\$@"
END

# What a run has left, without times.
digest() { # FOLDER
    for variant in full lora; do
        (cd "$1/$variant" && ls -d checkpoint-* && cksum *.safetensors checkpoint-*/*.safetensors &&
            cat trainer_state.json results.json |
            sed -E 's/"[a-z_]*(runtime|seconds|per_second|started|finished|output_dir)": ("[^"]*"|[-+.0-9e]+),?//g')
    done
}

seconds() { # of up to 0.9 of the whole run
    awk "BEGIN { print ($(od -An -N4 -tu4 /dev/urandom) % 1000) * $length * 0.9e-6 + 0.01 }"
}

begin=$(date +%s%N)
sh "$out/train" "$out/whole" >"$out/log" 2>&1 || { cat "$out/log"; exit 1; }
length=$((($(date +%s%N) - begin) / 1000000))
digest "$out/whole" >"$out/expected"
grep -q "stopped early" "$out/log" || { echo "failed: the run does not stop early"; exit 1; }

while [ "$done" -lt "$kills" ]; do
    rm -rf "$out/killed"
    resume=
    while :; do
        timeout -s KILL "$(seconds)" sh "$out/train" "$out/killed" $resume >"$out/log" 2>&1
        status=$?
        [ $status = 137 ] || break
        done=$((done + 1))
        resume=--resume
    done
    [ $status = 0 ] || { echo "failed: exit $status"; cat "$out/log"; }
    digest "$out/killed" >"$out/found" 2>&1
    if [ $status = 0 ] && cmp -s "$out/expected" "$out/found"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        diff "$out/expected" "$out/found" | head -n 10
    fi
done
echo "$done kills"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
