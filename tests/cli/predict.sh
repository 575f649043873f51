#!/bin/sh
# predict.sh GRAFT SOURCE_DIR -- `graft predict` says what `graft eval` computes: for each
# kind of task, as lines and as JSON Lines, whatever the batches; and every way in which
# input and output can be wrong is one error with its place, after the answers before it.
graft=$1 source=$2
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
failed=0

fail() {
    echo "failed: $*"
    failed=1
}

# expect CODE STREAM TEXT ARGUMENT...: the exit code, and TEXT in `out` or `err`; stdin is the file `input`.
expect() {
    code=$1 stream=$2 text=$3
    shift 3
    "$graft" "$@" >"$folder/out" 2>"$folder/err" <"${input:-/dev/null}"
    got=$?
    if [ $got -ne "$code" ]; then
        fail "graft $*: exit code $got instead of $code"
        cat "$folder/err"
    elif [ -n "$text" ] && ! grep -qF -e "$text" "$folder/$stream"; then
        fail "graft $*: '$text' is not in std$stream:"
        cat "$folder/$stream"
    fi
}

# ---- four tasks and their data: texts of 1 to 12 of the words a b c d

printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\n' >"$folder/vocab.txt"
awk -v folder="$folder" 'BEGIN {
    split("a b c d", word, " ")
    print "text,label" >(folder "/single.csv")
    print "text,label" >(folder "/value.csv")
    print "premise\thypothesis\tgold" >(folder "/pairs.tsv")
    for (i = 0; i < 60; i++) {
        text = other = ""; as = 0
        for (k = 0; k <= i * 5 % 12; k++) {
            draw = (draw * 137 + 187) % 1021; w = word[draw % 4 + 1]; as += w == "a"
            text = text (k ? " " : "") w
        }
        for (k = 0; k <= i % 5; k++) { draw = (draw * 137 + 187) % 1021; other = other (k ? " " : "") word[draw % 4 + 1] }
        count = as > 2 ? "many" : as ? "few" : "none"
        list = as > 2 ? "\"a\", \"more\"" : as ? "\"a\"" : ""
        longer = length(text) > length(other) ? "longer" : "shorter"
        print text "," count >(folder "/single.csv")
        print text "," as / 2 >(folder "/value.csv")
        print text "\t" other "\t" longer >(folder "/pairs.tsv")
        printf "{\"id\": %d, \"words\": \"%s\", \"labels\": [%s]}\n", i, text, list >(folder "/several.jsonl")
    }
}'
cut -d, -f1 "$folder/single.csv" | sed 1d >"$folder/texts"
cut -f1,2 "$folder/pairs.tsv" | sed 1d >"$folder/pairs"

# train NAME FILE VARIANT MORE_OF_DATA: a model in results/NAME/VARIANT, and the logits that `graft eval` has in NAME.eval
train() {
    cat >"$folder/$1.json" <<JSON
{
  "model": "$source/models/bert.json", "tokenizer": "vocab.txt",
  "config": {"vocab_size": 9, "max_position_embeddings": 12, "hidden_size": 16, "num_hidden_layers": 1,
             "num_attention_heads": 2, "intermediate_size": 24},
  "data": {"train": "$2", "test": "$2"$4},
  "variants": ["$source/models/variants/$3.json"],
  "training": {"output_dir": "$folder/results/$1", "max_steps": 6, "learning_rate": 1e-2, "save_strategy": "no"}
}
JSON
    expect 0 out "" train "$folder/$1.json" --threads 1
    expect 0 out "eval_loss" eval "$folder/results/$1/$3" --logits "$folder/$1.eval"
    sed 's/.*"logits": //' "$folder/$1.eval" >"$folder/$1.logits"
    [ "$(sort -u "$folder/$1.logits" | wc -l)" -gt 20 ] || fail "$1: the model says the same of all texts"
}

train single single.csv full ''
train lora single.csv lora ''
train value value.csv classifier ''
train several several.jsonl classifier ', "columns": {"text": "words", "labels": "labels"}'
train pairs pairs.tsv classifier ', "columns": {"text": "premise", "text_pair": "hypothesis", "label": "gold"}'

# same NAME RUN ARGUMENT...: the logits of the answers are those of the evaluation, to the last digit and in order
same() {
    name=$1 run=$2
    shift 2
    expect 0 out "" predict "$run" --logits "$@"
    sed 's/.*"logits": \(.*\)}/\1}/' "$folder/out" | cmp - "$folder/$name.logits" || fail "$name: logits of predict $*"
}

same single "$folder/results/single/full" --input "$folder/texts" --batch-size 7
same lora "$folder/results/lora/lora" --input "$folder/texts"
same value "$folder/results/value/classifier" --input "$folder/texts"
same several "$folder/results/several/classifier" --input "$folder/several.jsonl"
same pairs "$folder/results/pairs/classifier" --input "$folder/pairs"

# The comparison sees an answer at another place.
sed '1h;1d;2G' "$folder/pairs.logits" | cmp -s - "$folder/pairs.logits" && fail "two answers that changed places"

# ---- ways in and out

gzip -c "$folder/texts" >"$folder/texts.gz"
input=$folder/texts.gz
same single "$folder/results/single/full"
input=
sed 's/\(.*\)	\(.*\)/{"b": "\2", "n": [1, {"a": 2}], "a": "\1"}/' "$folder/pairs" >"$folder/pairs.jsonl"
same pairs "$folder/results/pairs/classifier" --input "$folder/pairs.jsonl" --text-column a --pair-column b

# Folders as transformers and peft have them.
expect 0 out "" export "$folder/results/lora/lora" -o "$folder/adapter"
same lora "$folder/adapter" --input "$folder/texts"
expect 0 out "" export "$folder/results/single/full" -o "$folder/foreign"
same single "$folder/foreign" --input "$folder/texts"

# An empty line is a text; the count is kept.
printf 'a b\n\n\nc' >"$folder/few"
expect 0 out '"label"' predict "$folder/results/single/full" --input "$folder/few"
[ "$(wc -l <"$folder/out")" = 4 ] || fail "4 texts: $(wc -l <"$folder/out") answers"

# ---- what the answers say

sed -n 5p "$folder/texts" >"$folder/one"
one='{"label": "\([a-z]*\)", "score": \([0-9.e-]*\), "scores": {"\1": \2, "[a-z]*": [0-9.e-]*}}'
expect 0 out '"label"' predict "$folder/results/single/full" --input "$folder/one" --top 2
grep -qx "$one" "$folder/out" || fail "--top 2: $(cat "$folder/out")"
expect 0 out '"label"' predict "$folder/results/single/full" --input "$folder/texts"
tr -d '{},:' <"$folder/out" | awk '{ sum = $7 + $9 + $11; best = $7 > $9 ? $7 : $9; best = $11 > best ? $11 : best
    if (sum < 0.999999 || sum > 1.000001 || best != $4) { print; bad = 1 } } END { exit bad || NR != 60 }' ||
    fail "probabilities do not add up to 1, or the label is not that of the largest"
expect 0 out '"labels": [' predict "$folder/results/several/classifier" --input "$folder/several.jsonl"
tr -d '[]{},:"' <"$folder/out" | awk '{ said = ""; n = split($0, w, " ")
    for (i = 2; w[i] != "scores"; i++) said = said w[i] " "
    wanted = ""
    for (i++; i < n; i += 2) if (w[i + 1] > 0.5) wanted = wanted w[i] " "
    if (said != wanted) { print; bad = 1 } } END { exit bad || NR != 60 }' || fail "labels are not those above 1/2"
expect 0 out '{"value": ' predict "$folder/results/value/classifier" --input "$folder/one"
expect 0 out '	0.' predict "$folder/results/single/full" --input "$folder/one" --plain
[ "$(tr '\t' '\n' <"$folder/out" | wc -l)" = 2 ] || fail "--plain: $(cat "$folder/out")"

# A program that asks, reads the answer, and asks again.
mkfifo "$folder/ask" "$folder/answer"
"$graft" predict "$folder/results/single/full" <"$folder/ask" >"$folder/answer" &
exec 3>"$folder/ask" 4<"$folder/answer"
for text in 'a' 'b c'; do
    echo "$text" >&3
    read -r line <&4
    case $line in '{"label": '*'}') ;; *) fail "'$line' for '$text'" ;; esac
done
exec 3>&-
wait $! || fail "a pipe that ends: exit code"
exec 4<&-

# ---- errors, each after the answers before it

# broken PLACE_AND_TEXT ANSWERS ARGUMENT...: of the file `broken`
broken() {
    text=$1 count=$2
    shift 2
    expect 1 err "$folder/broken$text" predict "$@" --input "$folder/broken" --output "$folder/answers"
    [ "$(grep -c ': error ' "$folder/err")" = 1 ] || fail "$text: not one error"
    [ -e "$folder/answers" ] && fail "$text: a part is taken for the whole"
    [ "$(grep -c '}$' "$folder/answers.partial")" = "$count" ] || fail "$text: not $count answers"
    [ "$(wc -l <"$folder/answers.partial")" = "$count" ] || fail "$text: a line that is not whole"
}

printf 'a b\nc \000 d\na\n' >"$folder/broken"
broken ':2:3: error GF0701: a NUL byte' 1 "$folder/results/single/full"
printf 'a\tb\na b\n' >"$folder/broken"
broken ':2:4: error GF0701: the line has no tab' 1 "$folder/results/pairs/classifier"
printf '{"words": "a"}\n{"words": "b", }\n' >"$folder/broken"
broken ':2:16: error GF0101: expected' 1 "$folder/results/several/classifier" --format jsonl
# A line of a megabyte is cut to what the model takes.
{ head -c 1000000 /dev/zero | tr '\000' 'a'; echo; echo b; } >"$folder/long"
expect 0 out '"label"' predict "$folder/results/single/full" --input "$folder/long"
[ "$(wc -l <"$folder/out")" = 2 ] || fail "a long line: not 2 answers"

# Where the answers go.
"$graft" predict "$folder/results/single/full" --input "$folder/texts" --output "$folder/whole" || fail "--output"
[ "$(wc -l <"$folder/whole")" = "$(wc -l <"$folder/texts")" ] || fail "--output: not all answers"
[ -e "$folder/whole.partial" ] && fail "a part stays beside the whole"
cp "$folder/texts" "$folder/kept"
expect 1 err "is the input" predict "$folder/results/single/full" --input "$folder/kept" --output "$folder/kept"
cmp "$folder/kept" "$folder/texts" || fail "the input is lost"
expect 1 err "No space left" predict "$folder/results/single/full" --input "$folder/texts" --output /dev/full
{ "$graft" predict "$folder/results/single/full" --input "$folder/texts" 2>"$folder/err"; echo $? >"$folder/code"; } |
    sleep 0
[ "$(cat "$folder/code")" = 1 ] && grep -q "stdout: error GF0002: cannot be written: Broken pipe" "$folder/err" ||
    fail "a reader that has gone: $(cat "$folder/code" "$folder/err")"

# The command line.
expect 1 err "does not exist" predict "$folder/nowhere"
expect 1 err "cannot open" predict "$folder/results/single/full" --input "$folder/nowhere"
expect 2 err "not as a table" predict "$folder/results/single/full" --input "$folder/single.csv"
expect 2 err "--format is lines or jsonl" predict "$folder/results/single/full" --format csv
expect 2 err "--top needs a number from 1" predict "$folder/results/single/full" --top 0
expect 2 err "gives values" predict "$folder/results/value/classifier" --top 1
expect 2 err "is a key of JSON Lines" predict "$folder/results/single/full" --text-column a
exit $failed
