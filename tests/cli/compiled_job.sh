#!/bin/sh
# compiled_job.sh GRAFT SOURCE_DIR FOLDER -- jobs compiled into one file: the same model,
# bit for bit, where no compiler can be reached; what may be set; what is refused.
# FOLDER gets demo.gfc and the model's checksums, which builds without LLVM compare with.
set -u
graft=$1 source=$2 keep=$3
demo=$source/models/jobs/demo.json
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
failed=0

fail() {
    echo "failed: $*"
    cat "$out/stderr"
    failed=1
}

# without ARGUMENT...: `graft` alone, in the empty folder, where neither LLVM nor NVRTC is
without() {
    (cd "$out/empty" && GRAFT_MODULES=/nonexistent GRAFT_NVRTC=/nonexistent GRAFT_CACHE= "$out/alone/graft" "$@")
}

# expect CODE TEXT ARGUMENT...: of `graft` in the empty folder; TEXT is in its output
expect() {
    code=$1 text=$2
    shift 2
    without "$@" >"$out/stdout" 2>"$out/stderr" </dev/null
    got=$?
    [ $got -eq "$code" ] || fail "graft $*: exit code $got instead of $code"
    grep -qF -e "$text" "$out/stdout" "$out/stderr" || fail "graft $*: does not say '$text'"
}

# compile ARGUMENT...: of `graft compile`, where the compilers are
compile() {
    "$graft" compile "$@" >"$out/stdout" 2>"$out/stderr" || fail "graft compile $*"
}

mkdir "$out/empty" "$out/alone" && cp "$graft" "$out/alone/graft" || exit 1
short="--set training.max_steps=12"

# same FOLDER FOLDER: the model or the adapter in them, bit for bit
same() {
    for weights in model adapter_model; do
        [ -e "$1/$weights.safetensors" ] && cmp "$1/$weights.safetensors" "$2/$weights.safetensors" && return
    done
    fail "$2 is another model than $1"
}

# ---- the same model ------------------------------------------------------------------------

compile "$demo" --target cpu -o "$out/empty/demo.gfc"
grep -q "^job         demo, compiled for cpu:" "$out/stdout" || fail "the summary of the file"
"$graft" train "$demo" --device cpu $short --set "training.output_dir=$out/jit" --losses "$out/jit.jsonl" \
    >"$out/stdout" 2>"$out/stderr" || fail "graft train $demo"
expect 0 "comparison.md" train demo.gfc $short --set training.output_dir=own --losses own.jsonl
for variant in full classifier lora; do
    same "$out/jit/$variant" "$out/empty/own/$variant"
done
sed 's/, "seconds".*//' "$out/jit.jsonl" >"$out/jit.losses"
sed 's/, "seconds".*//' "$out/empty/own.jsonl" >"$out/own.losses"
[ "$(wc -l <"$out/own.losses")" -eq 36 ] && cmp "$out/jit.losses" "$out/own.losses" || fail "other losses"

# Stopped and resumed: the same.
expect 0 "comparison.md" train demo.gfc --set training.max_steps=12 --set training.output_dir=again \
    --set training.save_strategy=steps --set training.save_steps=5 --set variants=lora
rm -f "$out/empty/again/lora/results.json" "$out/empty/again/lora/adapter_model.safetensors"
expect 0 "comparison.md" train demo.gfc --set training.max_steps=12 --set training.output_dir=again \
    --set training.save_strategy=steps --set training.save_steps=5 --set variants=lora --resume
same "$out/jit/lora" "$out/empty/again/lora"

# The compiler is not there: what has just been done needed none.
expect 1 "graft-cpu.so" train "$demo" --device cpu $short --set training.output_dir=none
expect 0 "compiled job demo for cpu:" inspect demo.gfc

# ---- a checkpoint and data beside the file ----------------------------------------------------

cp -r "$out/jit/full" "$out/empty/weights"
awk 'BEGIN { print "text;label_name"; for (i = 0; i < 90; i++) printf "word%d happy day %d;%s\n", i, i, i % 2 ? "joy" : "love" }' >"$out/empty/a.txt"
cat >"$out/empty/job.json" <<JSON
{"model": "$source/models/bert.json", "checkpoint": "weights",
 "data": {"dir": ".", "train": "a.txt", "test": "a.txt", "labels": ["sadness", "joy", "love", "anger", "fear", "surprise"]},
 "variants": ["$source/models/variants/lora-all.json"],
 "training": {"output_dir": "beside", "per_device_train_batch_size": 8, "gradient_accumulation_steps": 2, "max_steps": 3}}
JSON
compile "$out/empty/job.json" -o "$out/empty/job.gfc"
grep -q "accumulate" "$out/stdout" || fail "no program that accumulates"
expect 0 "weights" train job.gfc
(cd "$out" && GRAFT_MODULES=/nonexistent alone/graft train empty/job.gfc --set training.output_dir=away) \
    >"$out/stdout" 2>"$out/stderr" || fail "paths are not relative to the file"
same "$out/away/lora" "$out/empty/beside/lora"
expect 0 "weights" train job.gfc --set training.gradient_accumulation_steps=4 --set training.output_dir=four
expect 1 "'training.gradient_accumulation_steps' is compiled in" train job.gfc --overwrite \
    --set training.gradient_accumulation_steps=1
mv "$out/empty/a.txt" "$out/empty/b.txt"
expect 1 "a.txt' cannot be opened" train job.gfc --overwrite
expect 0 "weights" train job.gfc --set data.train=b.txt --set data.test=b.txt --set training.output_dir=moved

# Compiled where the data is not.
compile "$out/empty/job.json" --set data.max_length=24 --set "variants=$source/models/variants/classifier.json" -o "$out/empty/blind.gfc"
grep -q "the data is not here" "$out/stdout" || fail "nothing says that the plan is a guess"
grep -q "8 sequences, 192 tokens" "$out/stdout" || fail "the plan is not batch size times length"
expect 0 "weights" train blind.gfc --set data.train=b.txt --set data.test=b.txt --set training.output_dir=blind

# ---- several runs: programs for what is compiled, runs for the rest -------------------------------

grid="--set variants=classifier --set training.weight_decay=[0,0.01] --set training.per_device_train_batch_size=[8,16]"
compile "$demo" $grid -o "$out/empty/grid.gfc"
[ "$(grep -c "^classifier" "$out/stdout")" -eq 2 ] || fail "two weight decays are two variants of programs"
grep -q "up to 16 sequences" "$out/stdout" || fail "the plan is not that of the larger batches"
"$graft" train "$demo" --device cpu $grid $short --set "training.output_dir=$out/jit-grid" >"$out/stdout" \
    2>"$out/stderr" || fail "graft train $grid"
expect 0 "comparison.md" train grid.gfc $short --set training.output_dir=grid
[ "$(ls "$out/empty/grid" | grep -c '^classifier-')" -eq 4 ] || fail "not four runs"
for run in "$out"/jit-grid/classifier-*; do
    same "$run" "$out/empty/grid/$(basename "$run")"
done

# ---- what may not be set ------------------------------------------------------------------------

small="--set training.output_dir=no $short"
expect 1 "'training.max_grad_norm' is compiled in" train demo.gfc $small --set training.max_grad_norm=0.5
expect 1 "'training.bf16' is compiled in" train demo.gfc $small --set training.learning_rate=1 --set training.bf16=true
expect 1 "'training.without_passes' is compiled in" train demo.gfc $small --without=cse
expect 1 "'hidden_dropout_prob' 0, but now it is 0.2" train demo.gfc $small --set config.hidden_dropout_prob=0.2
expect 1 "may have 64 sequences" train demo.gfc $small --set training.per_device_train_batch_size=64
expect 1 "the job has no variant 'other'" train demo.gfc $small --set variants=other
expect 0 "comparison.md" train demo.gfc $short --set training.output_dir=yes --set training.per_device_train_batch_size=8 \
    --set training.learning_rate=1e-4 --set training.seed=3 --set variants=classifier

# ---- devices and files -----------------------------------------------------------------------------

expect 1 "compiled for cpu:x86-64" train demo.gfc $small --device cuda
expect 1 "unknown device 'gpu'" train demo.gfc $small --device gpu
expect 2 "this is a compiled job" compile demo.gfc
: >"$out/empty/empty.gfc"
expect 1 "is no compiled job" train empty.gfc
expect 1 "cannot be opened" train none.gfc
cp "$demo" "$out/empty/json.gfc"
expect 1 "is no compiled job" train json.gfc
head -c 5000 "$out/empty/demo.gfc" >"$out/empty/short.gfc"
expect 1 "is damaged" train short.gfc
expect 1 "is damaged" inspect short.gfc
expect 2 "--emit is for a model" compile "$demo" --emit ir -o x.gfc
expect 1 "names no level" compile "$demo" --target cpu:x86-64-v9 -o x.gfc
if ! grep -q avx512vl /proc/cpuinfo; then
    compile "$demo" --target cpu:x86-64-v4 --set variants=classifier -o "$out/empty/v4.gfc"
    expect 1 "compiled for x86-64-v4, but this processor has no avx512f" train v4.gfc $small
fi

# ---- for the builds without LLVM ----------------------------------------------------------------------

mkdir -p "$keep" && cp "$out/empty/demo.gfc" "$keep/demo.gfc" || fail "cannot keep demo.gfc"
(cd "$out/jit" && cksum full/model.safetensors classifier/model.safetensors lora/adapter_model.safetensors) >"$keep/demo.cksum"
sh "$source/tests/cli/sources.sh" "$source" >"$keep/sources"
exit $failed
