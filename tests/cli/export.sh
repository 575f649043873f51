#!/bin/sh
# export.sh -- `graft export` and `graft eval` on what it writes: the same model, and nothing lost.
#   export.sh GRAFT SOURCE_DIR
graft=$1
demo=$2/models/jobs/demo.json
. "$(dirname "$0")/check.sh"

run=$folder/results/lora
printf 'text;label_name\ni feel glad;joy\nso much rain;sadness\n' >"$folder/data.txt"
expect 0 out "lora" train "$demo" --set "training.output_dir=$folder/results" --set training.max_steps=4 \
    --set variants=lora --set data.generate.train=128 --set data.generate.validation=8 --set data.generate.test=8

# As it is: the same logits to the last digit.
expect 0 out "an adapter" export "$run" -o "$folder/plain"
expect 0 out "eval_loss" eval "$run" --data "$folder/data.txt" --logits "$folder/run.jsonl"
expect 0 out "eval_loss" eval "$folder/plain" --data "$folder/data.txt" --logits "$folder/plain.jsonl"
cmp "$folder/run.jsonl" "$folder/plain.jsonl" || failed=1
[ "$(wc -l <"$folder/run.jsonl")" = 2 ] || { echo "not two lines of logits"; failed=1; }

# Merged: the adapter has learned, so the base alone gives other logits.
expect 0 out "6 classes, adapters merged" export "$run" --merge -o "$folder/merged"
expect 0 out "eval_loss" eval "$folder/merged" --data "$folder/data.txt" --logits "$folder/merged.jsonl"
cp "$run/vocab.txt" "$run/base/"
expect 0 out "eval_loss" eval "$run/base" --data "$folder/data.txt" --logits "$folder/base.jsonl" \
    --model "$2/models/bert.json"
cmp -s "$folder/merged.jsonl" "$folder/base.jsonl" && { echo "nothing was merged"; failed=1; }
expect 0 out "bert.encoder.layer.0.attention.self.query.weight" inspect "$folder/merged"
[ -e "$folder/merged/adapter_config.json" ] && { echo "a merged model has an adapter"; failed=1; }

# What is refused leaves what was there.
expect 1 err "the folder exists" export "$run" -o "$folder/merged"
expect 1 err "has no adapters to merge" export "$folder/merged" --merge -o "$folder/none"
expect 1 err "holds no model" export "$run" -o "$folder" --overwrite
expect 1 err "nowhere' does not exist" export "$run" -o "$folder/none" --base "$folder/nowhere"
expect 2 err "-o DIR is missing" export "$run"
expect 2 err "--dtype is f32, bf16 or f16" export "$run" -o "$folder/none" --dtype int8
expect 1 err "the folder does not exist" export "$folder/nowhere" -o "$folder/none"
expect 1 err "says which data" eval "$folder/merged"
[ -e "$folder/none" ] && { echo "a refused export has left a folder"; failed=1; }
expect 0 out "merged" export "$run" --merge -o "$folder/merged" --overwrite --dtype bf16
expect 0 out "BF16" inspect "$folder/merged"
ls "$folder" | grep -q '\.tmp' && { echo "temporary folders are left"; failed=1; }
exit $failed
