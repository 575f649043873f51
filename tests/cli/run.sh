#!/bin/sh
# run.sh -- the command line: exit codes, what goes to which stream, suggestions.
#   run.sh GRAFT
graft=$1
. "$(dirname "$0")/check.sh"

# Spaces and comments that printing would not keep.
cat >"$folder/loose.gir" <<'GIR'
graph  @g(tokens) {   //  head

  %x=input : f32[tokens,8]
    %y = neg %x : f32[tokens,8]
  %z = neg %x : f32[tokens,8]
  return y = %y, z = %z
} // tail
GIR
sed 's/neg/nag/' "$folder/loose.gir" >"$folder/wrong.gir"

expect 0 out "usage: graft COMMAND" --help
expect 0 out "graft " --version
expect 2 err "usage: graft COMMAND"
expect 2 err "did you mean 'passes'?" pases
expect 0 out "usage: graft opt FILE.gir|-" opt --help
expect 2 err "needs FILE.gir|-" opt
expect 2 err "did you mean '--passes'?" opt --pases=cse "$folder/loose.gir"
expect 1 err "cannot be opened" opt "$folder/missing.gir"
expect 1 err "wrong.gir:4:10: error GF0202: 'nag' is no op" opt "$folder/wrong.gir"
expect 1 err "error GF0301" opt "$folder/loose.gir" --passes=csee
expect 2 err "the passes that run: cse, dce" opt "$folder/loose.gir" --passes=cse,dce --print-after=fold
expect 2 err "no pass runs without --passes=LIST" opt "$folder/loose.gir" --print-after=fold
expect 2 err "'-o' needs a value: -o PATH" compile "$folder/loose.gir" -o
expect 2 err "has no option '-x'" opt "$folder/loose.gir" -x
expect 2 err "did you mean 'cse'?" opt "$folder/loose.gir" --print-after=csee
expect 0 err "cse" opt "$folder/loose.gir" --passes=cse --stats
expect 0 err "For 1,024 tokens in 32 sequences" opt "$folder/loose.gir" --passes=cse --stats
expect 0 err "For 70 tokens in 7 sequences" opt "$folder/loose.gir" --passes=cse --stats --tokens 70 --seqs 7
expect 0 err "| cse | merged=" opt "$folder/loose.gir" --passes=cse --stats=markdown
expect 2 err "--stats is plain or 'markdown', not 'html'" opt "$folder/loose.gir" --passes=cse --stats=html
expect 2 err "--seqs needs a number from 1" opt "$folder/loose.gir" --stats --seqs 0
expect 0 out "(2 * k + bias) * y" ops linear
expect 0 err "// after cse" opt "$folder/loose.gir" --passes=cse --print-after=changed
expect 0 err "// after dce (no change)" opt "$folder/loose.gir" --passes=dce --print-after=all
expect 0 err "// before cse" opt "$folder/loose.gir" --passes=dce,cse --print-before=cse
expect 0 err "// before dce{params=1}" opt "$folder/loose.gir" "--passes=cse,dce{params=1}" --print-before all
grep -q "// before cse" "$folder/err" || { echo "--print-before=all leaves cse out"; failed=1; }
expect 0 err "// before dce" opt "$folder/loose.gir" --passes=cse,dce --print-before=dce --print-after=cse
grep -q "// after cse" "$folder/err" && ! grep -q "// before cse" "$folder/err" || { echo "not what was asked for"; failed=1; }
expect 2 err "--print-before: 'changed' is no pass" opt "$folder/loose.gir" --passes=cse --print-before=changed
expect 2 err "--print-before: 'fold' does not run" opt "$folder/loose.gir" --passes=cse --print-before=fold
expect 0 err "verify ms" opt "$folder/loose.gir" --passes=cse --time-passes
expect 0 out "return y = %y, z = %y" opt "$folder/loose.gir" --passes=cse,dce --verify-each --check-each
expect 1 err "'autodiff' needs an output called 'loss'" opt "$folder/loose.gir" --passes=@train
expect 1 err "there is no pass '@trains'" opt "$folder/loose.gir" --passes=@trains
expect 0 err "plan-memory" opt "$folder/loose.gir" "--passes=cse, @evaluate ,dce" --stats
"$graft" opt "$folder/loose.gir" --passes=cse -o "$folder/new.gir" >"$folder/out" || failed=1
grep -q "z = %y" "$folder/new.gir" && [ ! -s "$folder/out" ] || { echo "opt -o does not write to the file"; failed=1; }
expect 0 out "return y = %y, z = %y" opt "$folder/loose.gir" --passes cse
expect 0 out "prune-frozen" passes
expect 0 out "max_grad_norm: number, default 0" passes adamw
expect 0 out "changes values by design" passes
expect 0 out "--check-each does not compare them" passes precision
expect 2 err "did you mean 'cse'?" passes cce
expect 0 out "layer_norm_grad" ops
expect 0 out "eps: number, must be given" ops layer_norm
expect 2 err "did you mean 'gelu'?" ops gelo
expect 0 out "GF0203 (GF_ERR_SHAPE)" explain gf0203
expect 0 out "pass adamw" explain adamw
expect 0 out "op adamw" explain adamw
expect 2 err "is no error code, pass or op" explain GF0299

# Without passes the text stays, byte for byte, from a file and from a pipe.
for list in "" --passes= "--passes= "; do
    expect 0 out "graph  @g(tokens) {   //  head" opt "$folder/loose.gir" ${list:+"$list"}
    cmp -s "$folder/out" "$folder/loose.gir" || { echo "graft opt $list changed the text"; failed=1; }
done
input=$folder/loose.gir
expect 0 out "graph  @g" opt -
cmp -s "$folder/out" "$folder/loose.gir" || { echo "graft opt - changed the text"; failed=1; }
input=$folder/wrong.gir
expect 1 err "stdin:4:10: error GF0202" opt - --passes=

# A full disk is an error.
if [ -e /dev/full ]; then
    "$graft" opt "$folder/loose.gir" >/dev/full 2>"$folder/err" && { echo "writing to a full disk succeeds"; failed=1; }
    grep -q GF0002 "$folder/err" || { echo "a full disk is not reported"; failed=1; }
fi
exit $failed
