#!/bin/sh
# each_pass.sh GRAFT SOURCE_DIR TESTS_DIR [SWITCH...] -- training without each of the passes
# that it can do without, and with each that it can use besides, as `graft passes` lists
# them:
#   - the reference values hold;
#   - a job compiled so, run with one thread, and with two, stopped in the midst of an
#     epoch and resumed, gives the same models and moments, bit for bit;
#   - its losses are those of the pipeline as it is, but for rounding.
# Then all passes at once, and as few as can be.
#
# SWITCH: --without=NAME or --with=NAME, that one alone.
# GRAFT_EACH_PASS=whole: all reference values, three variants, and one thread and two over
# 50 steps of the demo job.
# GRAFT_REFERENCE=DIR: other reference values; with wrong ones the test must fail.
set -u
graft=$1 source=$2 tests=$3
shift 3
reference=${GRAFT_REFERENCE:-$source/tests/data/reference}
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
passed=0 failed=0
[ "${GRAFT_EACH_PASS-}" = whole ] && whole=1 batches=2 || whole='' batches=1 # a step

# check NAME COMMAND...: that it succeeds
check() {
    name=$1
    shift
    if "$@" >"$out/log" 2>&1; then
        passed=$((passed + 1))
        [ -z "$whole" ] || echo "passed: $name"
    else
        failed=$((failed + 1))
        echo "failed: $name"
        head -n 20 "$out/log"
    fi
}

# ---- runs ----

# What trains: the classifier on a frozen part that is computed once; adapters in the upper
# of two layers; everything.  The frozen part alone has no dropout.
cat >"$out/upper.json" <<JSON
{"variant": "upper", "freeze": ["*"], "train": ["classifier.*"],
 "lora": {"targets": ["layer.1.attention.self.query", "layer.1.attention.self.value"], "r": 2, "dropout": 0.1}}
JSON
echo '{"variant": "head", "freeze": ["*"], "train": ["classifier.*"], "frozen_dropout": false}' >"$out/head.json"
echo '{"variant": "full"}' >"$out/full.json"

# compile VARIANTS SWITCH...: a job of two epochs of five steps each
compile() {
    files=$(echo "$1" | sed "s|[a-z][a-z]*|$out/&.json|g; s| |,|g")
    shift
    "$graft" compile "$source/models/jobs/demo.json" --target cpu -o "$out/job.gfc" --set "variants=$files" \
        --set config.hidden_size=16 --set config.num_attention_heads=2 --set config.intermediate_size=24 \
        --set config.vocab_size=240 --set config.hidden_dropout_prob=0.1 \
        --set config.attention_probs_dropout_prob=0.1 --set "data.generate.train=$((batches * 20))" \
        --set data.generate.validation=12 --set data.generate.test=12 \
        --set training.per_device_train_batch_size=4 --set "training.gradient_accumulation_steps=$batches" \
        --set training.num_train_epochs=2 --set training.save_strategy=steps --set training.save_steps=3 \
        --set training.eval_strategy=steps --set training.eval_steps=3 "$@"
}

train() {
    "$graft" train "$out/job.gfc" --device cpu --set "training.output_dir=$out/run" "$@"
}

# Models and moments, also of the checkpoints.
bits() {
    (cd "$out/run" && cksum ./*/*.safetensors ./*/checkpoint-*/*.safetensors)
}

# The losses of these variants, in their order, are nearly those of the plain pipeline.
near_plain() { # VARIANTS
    for variant in $1; do
        grep "\"$variant\"" "$out/plain"
    done | sed 's/.*"loss": \([^,]*\),.*/\1/' >"$out/like"
    sed 's/.*"loss": \([^,]*\),.*/\1/' "$out/losses" | paste - "$out/like" | awk '
        { d = $1 - $2; if (NF != 2 || (d < 0 ? -d : d) > 1e-3 * $2) { print "loss " $1 " for " $2; bad = 1 } }
        END { exit bad || NR == 0 }'
}

# The run that is there goes on, with two threads, from where it was after step 3 of 10.
same_resumed() { # VARIANTS ARGUMENT...
    count=$(echo "$1" | wc -w)
    shift
    bits >"$out/expected" || return 1
    for folder in "$out"/run/*/; do
        rm -rf "$folder/results.json" "$folder"/*.safetensors "$folder"/checkpoint-[4-9] "$folder"/checkpoint-1?
    done
    bits >"$out/found" 2>&1
    cmp -s "$out/expected" "$out/found" && { echo "nothing was taken away"; return 1; }
    train --threads 2 --resume "$@" >"$out/resumed" || return 1
    [ "$(grep -c 'goes on after step 3 of 10' "$out/resumed")" -eq "$count" ] || { cat "$out/resumed"; return 1; }
    bits >"$out/found" && diff "$out/expected" "$out/found"
}

# resumed VARIANTS SWITCH...
resumed() {
    variants=$1
    shift
    rm -rf "$out/run"
    compile "$variants" "$@" && train --threads 1 --losses "$out/losses" && near_plain "$variants" &&
        same_resumed "$variants"
}

# ---- each switch ----

# all_of NAME SWITCH...: short, a run that the passes have something to do in
all_of() {
    of=$1 run='--run full --first' variants=upper
    shift
    case $of in
    *lora* | *down* | *up-grad* | *matmuls*) run='--run lora --first' ;;
    *hoist*) variants=head ;;
    esac
    [ "$whole" ] && run='' variants='head upper full'
    check "$of: reference values" "$tests/reference" "$reference" $run "$@"
    check "$of: stopped and resumed, one thread and two" resumed "$variants" "$@"
    [ "$whole" ] && check "$of: 50 steps, one thread and two" "$tests/threads" 50 "$@"
}

# What the command says that there is.
"$graft" passes | sed -n 's/^ .*: \(--with[a-z]*=[a-z-]*\)$/\1/p' >"$out/switches"
without=$(sed -n 's/--without=//p' "$out/switches" | paste -sd, -)
with=$(sed -n 's/--with=//p' "$out/switches" | paste -sd, -)
[ "$without" ] && [ "$with" ] || { echo "failed: no switches in 'graft passes'"; exit 1; }

all='head upper full'
{ compile "$all" && train --threads 1 --losses "$out/plain"; } >"$out/log" 2>&1 || { cat "$out/log"; exit 1; }

# Each check fails on what is wrong.
wrong() {
    failed=$((failed + 1))
    echo "failed: $1 passes"
}
sed 's/"loss": 1/"loss": 2/' "$out/plain" >"$out/losses"
near_plain "$all" >"$out/log" && wrong "another loss"
same_resumed "$all" --set training.learning_rate=1e-3 >"$out/log" && wrong "a run resumed with another rate"
grep -q '^> .*/full/' "$out/log" || { echo "failed: another rate is not seen in the models:"; cat "$out/log"; exit 1; }
"$tests/reference" "$reference" --run full --first --plant swapped-row >"$out/log" && wrong "a wrong gradient"

for switch in ${*:-$(cat "$out/switches")}; do
    all_of "$switch" "${switch%%=*}" "${switch#*=}"
done
if [ $# -eq 0 ]; then
    all_of "all passes" --with "$with"
    all_of "as few passes as can be" --without "$without"
fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
