#!/bin/sh
# report.sh -- `graft report` of a real training, and of what is none.
#   report.sh GRAFT SOURCE_DIR
graft=$1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
failed=0

fail() {
    echo "$*"
    failed=1
}

"$graft" train "$2/models/jobs/demo.json" --set training.max_steps=4 --set training.logging_strategy=steps \
    --set training.logging_steps=2 --set variants=full,classifier --set "training.output_dir=$folder/results" \
    >/dev/null || fail "graft train failed"
"$graft" report "$folder/results" >"$folder/out" || fail "graft report failed"
grep -qxF "$folder/results/report.html  2 runs" "$folder/out" || fail "graft report says: $(cat "$folder/out")"
for text in '<table class="matrix">' '<figcaption>Training loss</figcaption>' 'classifier, epoch 0.06' '<h2>Settings</h2>'
do
    grep -qF "$text" "$folder/results/report.html" || fail "'$text' is not in the page"
done
"$graft" report "$folder/results/full" -o "$folder/one.html" >/dev/null || fail "graft report of one run failed"
grep -qF '<h2>Result</h2>' "$folder/one.html" || fail "one run is compared with none"

"$graft" report "$folder" 2>"$folder/err" && fail "a folder without runs is no error"
grep -qF "there is no run in this folder" "$folder/err" || fail "wrong error: $(cat "$folder/err")"
echo '{"log_history": [' >"$folder/results/full/trainer_state.json"
"$graft" report "$folder/results" 2>"$folder/err" && fail "a damaged file is no error"
grep -qF "full/trainer_state.json:" "$folder/err" || fail "wrong error: $(cat "$folder/err")"
exit $failed
