#!/bin/sh
# data.sh -- `graft train` and `graft eval` on a compressed table of pairs.
#   data.sh GRAFT SOURCE_DIR
graft=$1
source=$2
. "$(dirname "$0")/check.sh"

printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\nd\n' >"$folder/vocab.txt"
awk 'BEGIN {
    split("a b c d", word, " ")
    print "gold\tpremise\thypothesis"
    for (i = 0; i < 200; i++)
        printf "%s\t%s\t\"%s\"\n", i * 7 % 5 < 2 ? "same" : "other", word[i % 4 + 1], word[i * 3 % 4 + 1]
}' >"$folder/all.tsv"
gzip -c "$folder/all.tsv" >"$folder/train.tsv.gz"
cat >"$folder/job.json" <<JSON
{
  "model": "$source/models/bert.json", "tokenizer": "vocab.txt",
  "config": {"vocab_size": 8, "max_position_embeddings": 16, "hidden_size": 16, "num_hidden_layers": 1,
             "num_attention_heads": 2, "intermediate_size": 16},
  "data": {"train": "train.tsv.gz", "validation_share": 0.25,
           "columns": {"text": "premise", "text_pair": "hypothesis", "label": "gold"}},
  "variants": ["$source/models/variants/classifier.json"],
  "training": {"output_dir": "$folder/results", "max_steps": 4, "save_strategy": "no"}
}
JSON

# Classes from the data, a part set aside; the part is the same when it is evaluated later.
expect 0 out "150 train, 50 validation; 5.0 tokens an example" train "$folder/job.json"
loss=$(grep -o '"eval_loss": [0-9.e-]*' "$folder/results/classifier/results.json" | head -1)
expect 0 out "$loss" eval "$folder/results/classifier" --split validation --batch-size 8
expect 0 out "eval_accuracy" eval "$folder/results/classifier" --data "$folder/all.tsv"

# A model that is trained further keeps its classes, although these are of another order
# and one of them is missing: which is said. Another class makes it a new task.
awk 'NR == 1 || $1 == "other"' "$folder/all.tsv" >"$folder/others.tsv"
expect 0 out "no training example has the class 'same'" train "$folder/job.json" --dry-run \
    --set "checkpoint=$folder/results/classifier" --set "data.train=$folder/others.tsv"
sed 's/^same/another/' "$folder/all.tsv" >"$folder/anothers.tsv"
expect 0 out "parameters train" train "$folder/job.json" --dry-run --set "data.train=$folder/anothers.tsv" \
    --set "checkpoint=$folder/results/classifier"
grep -q "no training example" "$folder/out" && { echo "classes of another task were taken"; failed=1; }
expect 0 out "no training example has the class 'sane'" train "$folder/job.json" --dry-run \
    --set 'data.labels=["same", "sane", "other"]'
expect 1 err "anothers.tsv:2:1: error GF0702: unknown label 'another'" train "$folder/job.json" --dry-run \
    --set "data.test=$folder/anothers.tsv"
grep -q 'the classes are same, other, those of the training data; "labels" in "data"' "$folder/err" || failed=1

# One error, where it is.
sed '7s/same\|other/sane/' "$folder/all.tsv" >"$folder/wrong.tsv"
expect 1 err "wrong.tsv:7:1: error GF0702: unknown label 'sane'" eval "$folder/results/classifier" \
    --data "$folder/wrong.tsv"
expect 1 err "has no column 'premiss'" train "$folder/job.json" --set data.columns.text=premiss
head -c 100 "$folder/train.tsv.gz" >"$folder/cut.tsv.gz"
expect 1 err "cut.tsv.gz: error GF0701: the gzip file is cut off" train "$folder/job.json" \
    --set "data.train=$folder/cut.tsv.gz" --set "training.output_dir=$folder/cut"

# Pairs and types.
printf '{"text": "a", "text_pair": "b c"}\n' >"$folder/pair"
input="$folder/pair"
expect 0 out '{"input_ids": [2,4,3,5,3], "token_type_ids": [0,0,0,1,1]}' tokenize --tokenizer "$folder/vocab.txt" \
    --jsonl --types --max-length 5
exit $failed
