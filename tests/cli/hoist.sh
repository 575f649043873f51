#!/bin/sh
# hoist.sh GRAFT SOURCE_DIR DEVICE -- frozen parts computed once: the same losses and
# models, bit for bit, as with the whole step in every epoch; with room for some examples;
# with one thread; stopped and resumed; from a compiled job.  What the command says of it.
set -u
graft=$1 source=$2 device=$3
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
failed=0

fail() {
    echo "failed: $*"
    [ -e "$out/stderr" ] && cat "$out/stderr"
    failed=1
}

# The classifier alone, and adapters in the upper of two layers: rows a sequence, rows a token.
cat >"$out/upper.json" <<JSON
{"variant": "upper", "freeze": ["*"], "train": ["classifier.*"], "frozen_dropout": false,
 "lora": {"targets": ["layer.1.attention.self.query", "layer.1.attention.self.value"], "r": 2, "dropout": 0.1}}
JSON
cp "$source/models/variants/classifier-hoisted.json" "$out/head.json"
sed 's/"frozen_dropout": false/"frozen_dropout": true/' "$out/head.json" >"$out/drops.json"

small="--set config.hidden_size=16 --set config.num_hidden_layers=2 --set config.num_attention_heads=2
    --set config.intermediate_size=24 --set config.vocab_size=240 --set config.hidden_dropout_prob=0.1
    --set config.attention_probs_dropout_prob=0.1
    --set data.generate.train=40 --set data.generate.validation=12 --set data.generate.test=12
    --set training.per_device_train_batch_size=4 --set training.per_device_eval_batch_size=8
    --set training.num_train_epochs=3 --set training.load_best_model_at_end=true
    --set training.save_strategy=steps --set training.save_steps=5
    --set training.eval_strategy=steps --set training.eval_steps=5"
both="--set variants=$out/head.json,$out/upper.json"

# run NAME ARGUMENT...: `graft train` in the folder NAME; what is the same for all in NAME.losses
run() {
    name=$1
    shift
    "$graft" train "$@" --device "$device" --set "training.output_dir=$out/$name" --losses "$out/$name.jsonl" \
        >"$out/$name.out" 2>"$out/stderr" || fail "training of $name"
    sed 's/, "seconds".*//' "$out/$name.jsonl" >"$out/$name.losses"
}

# train NAME ARGUMENT...: compiles the job; hoisted NAME ARGUMENT...: it has been compiled, on the CPU
train() {
    name=$1
    shift
    run "$name" "$source/models/jobs/demo.json" $small "$@"
}
hoisted() {
    name=$1
    shift
    if [ "$device" = cpu ]; then
        run "$name" "$out/hoist.gfc" "$@"
    else
        train "$name" $both "$@"
    fi
}

# says NAME TEXT
says() {
    grep -qF -e "$2" "$out/$1.out" || fail "$1 does not say '$2': $(grep '^frozen' "$out/$1.out")"
}

# same NAME LIKE RUN...: losses, evaluations and models as in LIKE
same() {
    name=$1 like=$2
    shift 2
    cmp "$out/$like.losses" "$out/$name.losses" || fail "$name: other losses"
    for run in "$@"; do
        weights=$run/model.safetensors
        [ -e "$out/$like/$weights" ] || weights=$run/adapter_model.safetensors
        cmp "$out/$like/$weights" "$out/$name/$weights" || fail "$name: another model"
        for i in "$like" "$name"; do
            tr ',{}' '\n\n\n' <"$out/$i/$run/trainer_state.json" | grep '"eval_\(loss\|f1\)"' >"$out/evals.$i"
        done
        [ "$(wc -l <"$out/evals.$like")" -ge 6 ] && cmp "$out/evals.$like" "$out/evals.$name" ||
            fail "$name: $run is evaluated otherwise"
    done
}

train whole $both --set training.hoist_budget_mb=0
says whole "frozen      computed in every epoch: hoist_budget_mb is 0"
[ "$(wc -l <"$out/whole.losses")" -eq 60 ] || fail "steps are missing"

# A compiled job holds both parts.
if [ "$device" = cpu ]; then
    "$graft" compile "$source/models/jobs/demo.json" $small $both --target cpu -o "$out/hoist.gfc" >"$out/stdout" \
        2>"$out/stderr" || fail "compiling the job"
    "$graft" inspect "$out/hoist.gfc" >"$out/stdout" || fail "inspecting the file"
    grep -q '^  frozen  .* of up to 4 sequences' "$out/stdout" || fail "the frozen part is not in the file"
    "$graft" train "$out/hoist.gfc" --set training.hoist_budget_mb=0 --set "training.output_dir=$out/none" \
        >"$out/stdout" 2>"$out/stderr" && fail "a file of cut steps runs whole ones"
    grep -q "'training.hoist_budget_mb' is compiled in" "$out/stderr" || fail "no word of what is compiled in"
fi

hoisted kept
says kept "frozen      computed in the first epoch, 2.6 kB for the 40 training examples, 768 bytes for the 12 validation examples"
same kept whole classifier-hoisted upper
hoisted some --set training.hoist_budget_mb=0.02 --threads=1
says some "of 40 training examples (all: "
same some whole classifier-hoisted upper

# What follows does not depend on the device.
[ "$device" = cpu ] || exit $failed

# The same at all is something to say: dropout in the frozen part makes other losses.
train drops --set "variants=$out/drops.json"
head -n 30 "$out/whole.losses" | cmp -s - "$out/drops.losses" && fail "dropout in the frozen part does nothing"
[ "$(wc -l <"$out/drops.losses")" -eq 30 ] || fail "drops: steps are missing"
grep -q '^frozen' "$out/drops.out" && fail "a frozen part that drops is kept"

# Stopped in the midst of the second epoch and resumed.
for run in classifier-hoisted upper; do
    rm -r "$out/kept/$run/results.json" "$out/kept/$run"/checkpoint-2? "$out/kept/$run"/checkpoint-30
done
mv "$out/kept.losses" "$out/stopped.losses"
rm "$out/kept.jsonl" # to which the resumed run would add
hoisted kept --resume
says kept "goes on after step 15 of 30"
for run in classifier-hoisted upper; do # the steps that were done before
    grep "\"$run\"" "$out/stopped.losses" | head -n 15
    grep "\"$run\"" "$out/kept.losses"
done >"$out/joined"
mv "$out/joined" "$out/kept.losses"
same kept whole classifier-hoisted upper

# Gathered over two batches a step.
for budget in 0 1; do
    train "gathered$budget" --set "variants=$out/upper.json" --set training.gradient_accumulation_steps=2 \
        --set "training.hoist_budget_mb=$budget"
done
same gathered1 gathered0 upper

# Nothing is frozen, so nothing is said of it.
echo '{"variant": "full", "frozen_dropout": false}' >"$out/full.json"
"$graft" train "$source/models/jobs/demo.json" $small --set "variants=$out/full.json" \
    --set "training.output_dir=$out/none" >"$out/stdout" 2>"$out/stderr" && fail "frozen_dropout without freeze"
grep -q 'full.json:1:21: error .*"frozen_dropout" is about what is frozen, and nothing is' "$out/stderr" ||
    fail "the error of frozen_dropout: $(cat "$out/stderr")"

exit $failed
