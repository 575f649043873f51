#!/bin/sh
# bench.sh -- `graft bench` on the demo job, made small: every pass is either timed or
# said to be needed.
#   bench.sh GRAFT SOURCE_DIR
graft=$1
job=$2/models/jobs/demo.json
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
failed=0

# Works nowhere but in $folder: nothing may be written.
cd "$folder" || exit 1
mkdir empty && cd empty || exit 1
bench() {
    "$graft" bench "$job" --threads 1 --rounds 1 --steps 1 --set config.num_hidden_layers=1 \
        --set data.generate.train=64 --set data.generate.validation=8 --set data.generate.test=8 "$@" \
        >"$folder/out" 2>"$folder/err"
}

# has PATTERN...: a line of the output each.
has() {
    for pattern; do
        grep -qE -e "$pattern" "$folder/out" || { echo "no line '$pattern' in:"; cat "$folder/out" "$folder/err"; failed=1; }
    done
}

bench || { echo "bench fails"; cat "$folder/err"; failed=1; }
has '^full: [0-9]+ tokens in 32.0 texts' '^classifier: ' '^lora: ' '^\(nothing\) +[0-9.]+ +1.000 '
[ "$(grep -c '^(nothing)' "$folder/out")" = 3 ] || { echo "not three variants"; failed=1; }
grep -q '^fuse ' "$folder/out" && { echo "passes are left out unasked"; failed=1; }

bench --ablate --variant classifier || { echo "bench --ablate fails"; cat "$folder/err"; failed=1; }
has '^\(nothing\) +[0-9.]+ +1.000 ' '^freeze +cannot be left out: it says what trains' \
    '^autodiff +cannot be left out' '^adamw +cannot be left out' '^plan-memory +cannot be left out: it says where every value lies' \
    '^prune-frozen +[0-9.]+ ' '^cse +[0-9.]+ ' '^fuse-lora +[0-9.]+ ' '^fuse +[0-9.]+ ' '^join-launches +[0-9.]+ '
grep -q '^lora' "$folder/out" && { echo "--variant takes others, too"; failed=1; }

# Every pass of the list has its line, and without fusion there are more launches and bytes.
bench --ablate --variant classifier --json || { echo "bench --json fails"; cat "$folder/err"; failed=1; }
has '"job": "demo"' '"variant": "classifier"'
of() { sed -n "s/.*\"without\": $1,.*\"$2\": \([0-9.e+-]*\)[,}].*/\1/p" "$folder/out"; }
passes=$(sed -n 's/.*"without": null.*"passes": "\(.*\)"}.*/\1/p' "$folder/out" | sed 's/{[^}]*}//g' | tr ',' '\n')
[ -n "$passes" ] || { echo "no list of passes"; failed=1; }
for pass in $passes; do
    grep -qF "\"without\": \"$pass\"" "$folder/out" || { echo "no line without $pass"; failed=1; }
done
for what in launches bytes; do
    [ "$(of null $what)" -lt "$(of '"fuse"' $what)" ] || { echo "fuse saves no $what"; cat "$folder/out"; failed=1; }
done
[ "$(of null loss)" ] || { echo "no loss"; failed=1; }
[ -z "$(ls)" ] || { echo "files were written"; ls; failed=1; }

# Passes switched by hand, and the others in turn.
bench --ablate --variant classifier --json --without fuse-lora,cse --with order-lora || { echo "bench --without fails"; cat "$folder/err"; failed=1; }
has '"without": null.*"passes": ".*,order-lora\{.*\},autodiff,.*,fold,dce,order-lora\{.*\},fuse,' \
    '"without": "fuse".*"passes": ".*,dce,order-lora\{.*\},fuse\{alone=1\},' \
    '"without": "order-lora".*"passes": ".*,narrow-rows,autodiff,.*,fold,dce,fuse,'
[ "$(grep -c '"without": "order-lora"' "$folder/out")" = 1 ] || { echo "order-lora has not one line"; failed=1; }
grep -q '"without": "cse"' "$folder/out" && { echo "what is left out is left out again"; failed=1; }

bench --variant loar && { echo "an unknown variant runs"; failed=1; }
grep -qF "did you mean 'lora'?" "$folder/err" || { cat "$folder/err"; failed=1; }
bench --rounds 0 && { echo "0 rounds run"; failed=1; }
exit $failed
