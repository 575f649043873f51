#!/bin/sh
# train.sh -- `graft train` on the demo job: what it tells, what a failure leaves.
#   train.sh GRAFT SOURCE_DIR
graft=$1
demo=$2/models/jobs/demo.json
. "$(dirname "$0")/check.sh"

# A short training.
command_line() {
    "$graft" train "$demo" --set training.max_steps=2 --set "training.output_dir=$folder/results" --overwrite "$@"
}

# The third variant fails: the two before are compared.
expect 1 err "lora, step 2: the loss is" --set variants.2.training.adam_epsilon=0
for variant in full classifier; do
    grep -q "^| $variant " "$folder/results/comparison.md" || { echo "$variant is not in comparison.md"; failed=1; }
done
grep -q "^| lora " "$folder/results/comparison.md" && { echo "the failed variant is in comparison.md"; failed=1; }

# Seeds: their mean, and the runs; a run that is finished counts.
expect 0 out "+-" --set variants=classifier --set "seeds=[1,2]"
expect_seeds() { # ROW
    grep -q "$1" "$folder/results/comparison.md" || { echo "no row '$1':"; cat "$folder/results/comparison.md"; failed=1; }
}
expect_seeds "^| classifier | 2 |.* ± "
expect_seeds "^| classifier-seed=2 |"
"$graft" train "$demo" --set training.max_steps=2 --set "training.output_dir=$folder/results" --resume \
    --set variants=classifier --set "seeds=[1,2,3]" >"$folder/out" || failed=1
[ "$(grep -c "finished before" "$folder/out")" -eq 2 ] || { echo "finished runs were trained again"; failed=1; }
expect_seeds "^| classifier | 3 |.* ± "
"$graft" report "$folder/results" >/dev/null || failed=1
grep -q 'classifier</th><td>3</td>.* ± ' "$folder/results/report.html" || { echo "report: seeds not gathered"; failed=1; }

# Going on with other arguments is told; with the same ones there is nothing to tell.
expect 0 out "classifier" --set variants=classifier --set training.save_strategy=steps --set training.save_steps=1
resume() { # ARGUMENT...: from the first step
    "$graft" train "$demo" --set training.max_steps=2 --set "training.output_dir=$folder/results" \
        --set variants=classifier --set training.save_strategy=steps --set training.save_steps=1 \
        --resume "$folder/results/classifier/checkpoint-1" "$@" >"$folder/out" || failed=1
    grep -q "goes on after step 1 of 2" "$folder/out" || { echo "not resumed: $*"; failed=1; }
}
resume
grep -q "^changed" "$folder/out" && { echo "resumed as it was, and yet:"; cat "$folder/out"; failed=1; }
resume --set training.weight_decay=0.25 --set training.max_grad_norm=0.5
grep -qF "before: weight_decay (0), max_grad_norm (1); from here it is another run" "$folder/out" ||
    { echo "other arguments are not told:"; cat "$folder/out"; failed=1; }

# Passes switched; a job may say so, too, and a list is a run of each.
expect 0 out "passes      without cse,fuse-lora" --set variants=classifier --without cse --without fuse-lora
grep -q '"without_passes": "cse,fuse-lora"' "$folder/results/classifier/results.json" ||
    { echo "results.json does not name the passes left out"; failed=1; }
expect 0 out "passes      with merge-matmuls" --set variants=classifier --with=merge-matmuls
expect 0 out "classifier-without_passes=fold" --set variants=classifier --set 'training.without_passes=["", "fold"]'
expect 1 err "--without: 'adamw' cannot be left out: it is the optimizer" --without=cse,adamw
expect 1 err "did you mean 'fuse'?" --without=fuze
expect 1 err "--with: there is no pass 'NONE'" --with=NONE
expect 1 err "without_passes=dce,freeze:1:31: error GF0301: without_passes: 'freeze' cannot be left out: it says what" \
    --set training.without_passes=dce,freeze

# What a checkpoint has not.
expect 0 out "new         *.lora_A, *.lora_B drawn from seed 43" --set "checkpoint=$folder/results/full" \
    --set "variants=lora" --set training.seed=43
expect 0 out "no weights  BertForSequenceClassification" --set variants=lora
grep -q "^new" "$folder/out" && { echo "all is new without a checkpoint: no line should say so"; failed=1; }

# What programs read: on stdout alone, or in a file.
expect 0 err "variant     trainable" --set variants=classifier --log-json -
events=$(sed 's/^{"event": "\([a-z]*\)".*}$/\1/' "$folder/out" | tr '\n' ' ')
[ "$events" = "begin log eval save log save end " ] || { echo "events of --log-json: $events"; failed=1; }
grep '"event": "save".*"step": 2, "folder": "[^"]*/classifier/checkpoint-2"' "$folder/out" >/dev/null || { echo "no checkpoint in --log-json"; failed=1; }
expect 0 out "variant     trainable" --set variants=classifier --log-json "$folder/log" --set training.report_to=tensorboard
[ "$(wc -l <"$folder/log")" -eq 7 ] || { echo "--log-json FILE: not 7 lines"; failed=1; }
ls "$folder"/results/classifier/runs/*/events.out.tfevents.* >/dev/null || failed=1
expect 1 err "/log: error GF0002: cannot be written" --set "training.output_dir=$folder/none" --log-json "$folder/no/log"
[ ! -e "$folder/none" ] || { echo "a wrong --log-json claimed the folder of results"; failed=1; }
lines=$(wc -l <"$folder/log")
"$graft" train "$demo" --set training.max_steps=2 --set "training.output_dir=$folder/results" --set variants=classifier \
    --log-json "$folder/log" >/dev/null 2>&1 && { echo "a finished run was begun again"; failed=1; }
[ "$(wc -l <"$folder/log")" -eq "$lines" ] || { echo "a refused run emptied the file of --log-json"; failed=1; }

# A dry run and a resumed one leave what the file holds; what was finished before has its name.
"$graft" train "$demo" --set training.max_steps=2 --set "training.output_dir=$folder/results" --set variants=classifier \
    --log-json "$folder/log" --dry-run >/dev/null 2>&1
[ "$(wc -l <"$folder/log")" -gt "$lines" ] || { echo "a dry run emptied the file of --log-json"; failed=1; }
"$graft" train "$demo" --set training.max_steps=2 --set "training.output_dir=$folder/results" --set variants=classifier \
    --log-json "$folder/log" --resume >/dev/null 2>"$folder/err" || { echo "--resume of what is finished:"; cat "$folder/err"; failed=1; }
tail -1 "$folder/log" | grep -q '"event": "end", .*"variant": "classifier"' || { echo "no end of a finished run"; failed=1; }
expect 1 err "/dev/full: error GF0002: could not be written whole" --set variants=classifier --log-json /dev/full
exit $failed
