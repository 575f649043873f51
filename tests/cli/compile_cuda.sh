#!/bin/sh
# compile_cuda.sh GRAFT SOURCE_DIR -- the cuda target without a GPU: NVRTC compiles
# every kernel of bert-base, three variants, f32 and bf16, for sm_80 and sm_90a, and
# bf16 with the feature wgmma; none spills, none asks for more than a block may
# have.  Then what goes wrong.
# Exit 77 (skipped) where there is no NVRTC.
set -u
# GRAFT_VARIANTS: the variants that NVRTC compiles (default all three); kernels are the same in every build
variants=${GRAFT_VARIANTS:-full classifier lora}
graft=$1 source=$2
out=$(mktemp -d) passed=0 failed=0
export GRAFT_CACHE= GRAFT_CUDA_FEATURES= # nothing from an earlier run
trap 'rm -rf "$out"' EXIT

check() { # WHAT COMMAND...
    what=$1
    shift
    if "$@" >"$out/stdout" 2>"$out/stderr"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "failed: $what"
        cat "$out/stderr"
    fi
}

# fails_with TEXT COMMAND...: exit 1 or 2 and one line that has the text
fails_with() {
    text=$1
    shift
    "$@" >"$out/stdout" 2>"$out/stderr"
    status=$?
    [ $status -gt 0 ] && [ $status -lt 128 ] && grep -q "$text" "$out/stderr"
}

# within_limits TABLE SHARED: registers of a block up to 64 Ki, shared memory up to
# so many bytes, nothing spilled.
within_limits() {
    awk -v shared="$2" '/^k[0-9]/ { n++; if ($6 * $4 > 65536 || $7 > shared || $8 > 0) { print > "/dev/stderr"; bad = 1 } }
         END { exit bad || n < 20 }' "$1"
}

# "50 kernels for 784 regions, 228 launches, ...": at most so many launches a step
few_launches() { # VARIANT TABLE
    case $1 in
    full) most=228 ;;
    classifier) most=99 ;;
    lora) most=228 ;;
    esac
    launches=$(sed -n 's/.* regions, \([0-9]*\) launches.*/\1/p' "$2")
    [ -n "$launches" ] && [ "$launches" -le $most ] && return
    echo "${launches:-no} launches; at most $most were enough before" >&2
    return 1
}

compile() { # VARIANT TARGET BF16 FORM
    "$graft" compile "$source/models/bert.json" --variant "$source/models/variants/$1.json" --target "cuda:$2" \
        --set "training.bf16=$3" --emit "$4" -o "$out/$1-$2-$3-$4"
}

for variant in full classifier lora; do
    "$graft" compile "$source/models/bert.json" --variant "$source/models/variants/$variant.json" \
        --target cuda:sm_80 --emit cuda -o "$out/count" >"$out/table"
    check "$variant runs in few launches" few_launches $variant "$out/table"
done
check "text needs no NVRTC" env GRAFT_NVRTC=/nonexistent/libnvrtc.so "$graft" compile "$source/models/bert.json" \
    --target cuda:sm_80 --emit cuda -o "$out/text"
check "kernels.json names every file" sh -c "test \$(grep -c '\"file\"' '$out/text/kernels.json') = \$(ls '$out/text' | grep -c '\.cu\$')"
check "an unknown architecture" fails_with "names no architecture" "$graft" compile "$source/models/bert.json" \
    --target cuda:sm_70 --emit cuda -o "$out/old"
check "a folder is needed" fails_with "names the folder" "$graft" compile "$source/models/bert.json" \
    --target cuda:sm_80 --emit cuda
check "no driver" fails_with "cannot be loaded" env GRAFT_LIBCUDA=/nonexistent/libcuda.so "$graft" train \
    "$source/models/jobs/demo.json" --device cuda --set "training.output_dir=$out/run"
check "no such device" fails_with "unknown device" "$graft" train "$source/models/jobs/demo.json" \
    --device gpu --set "training.output_dir=$out/run"
check "wgmma is for sm_90a" fails_with "for cuda:sm_90a" "$graft" compile "$source/models/bert.json" \
    --target cuda:sm_80 --features wgmma --emit cuda -o "$out/old"
check "features are of the cuda target" fails_with "for the targets cuda" "$graft" compile "$source/models/bert.json" \
    --features wgmma
check "no NVRTC" fails_with "cannot be loaded" env GRAFT_NVRTC=/nonexistent/libnvrtc.so "$graft" compile \
    "$source/models/bert.json" --target cuda:sm_80 --emit cubin -o "$out/none"

# Where PyTorch's Python has it, for those who name nothing.
if [ -n "${GRAFT_NVRTC:-}" ]; then
    mkdir -p "$out/python/lib/python3.11/site-packages/nvidia/cu13"
    ln -s "$(dirname "$GRAFT_NVRTC")" "$out/python/lib/python3.11/site-packages/nvidia/cu13/lib"
    check "NVRTC is found in a virtual environment" env GRAFT_NVRTC= "VIRTUAL_ENV=$out/python" "$graft" compile \
        "$source/models/bert.json" --set num_hidden_layers=1 --target cuda:sm_80 --emit ptx -o "$out/found"
fi
if ! compile classifier sm_80 false ptx >"$out/table" 2>"$out/stderr"; then
    if grep -q 'no libnvrtc was found' "$out/stderr"; then
        echo "no NVRTC here: $passed passed, $failed failed, the rest skipped"
        [ $failed -gt 0 ] && exit 1
        exit 77
    fi
fi
for architecture in sm_80 sm_90a; do
    for variant in $variants; do
        for bf16 in false true; do
            name="$variant $architecture bf16=$bf16"
            compile $variant $architecture $bf16 cubin >"$out/table" 2>"$out/stderr"
            status=$?
            echo "$name: $(tail -n 1 "$out/table")"
            check "$name compiles" test $status = 0
            check "$name within limits" within_limits "$out/table" 101376
        done
    done
done
cat "$out/table"

# The feature of sm_90a: a block may have 227 KiB of shared memory there.
for variant in $variants; do
    name="$variant sm_90a wgmma"
    GRAFT_CACHE="$out/logs" GRAFT_CUDA_FEATURES=wgmma compile $variant sm_90a true cubin >"$out/table" 2>"$out/stderr"
    status=$?
    echo "$name: $(tail -n 1 "$out/table")"
    check "$name compiles" test $status = 0
    check "$name within limits" within_limits "$out/table" 232448
done
cat "$out/table"
# The cache keeps what the assembler said: C7510 and the like make products wait for each other.
check "the assembler's words are kept" grep -qa 'ptxas info' -r "$out/logs"
check "no product waits for the one before it" sh -c "! grep -qa 'serialized' -r '$out/logs'"
# tiles_of_wgmma FILES: how many kernels make one
tiles_of_wgmma() {
    grep -l '^    GfHopperTile<' "$@" | wc -l
}
text() { # BF16 FEATURES
    "$graft" compile "$source/models/bert.json" --target cuda:sm_90a --set "training.bf16=$1" --features "$2" \
        --emit cuda -o "$out/text-$1-$2" >"$out/table"
}
GRAFT_CUDA_FEATURES=wgmma compile classifier sm_90a true ptx >"$out/table"
check "its instructions are there" grep -q 'wgmma.mma_async.*m64n' -r "$out/classifier-sm_90a-true-ptx"
check "text with it" text true wgmma
check "bf16 products use it" test "$(tiles_of_wgmma "$out"/text-true-wgmma/*.cu)" -ge 8
check "text without it" text true ""
check "they do not unless asked to" test "$(tiles_of_wgmma "$out"/text-true-/*.cu)" = 0
check "text of exact products" text false wgmma
check "exact products never do" test "$(tiles_of_wgmma "$out"/text-false-wgmma/*.cu)" = 0

# From the cache: the same bytes; one damaged entry is compiled anew.
export GRAFT_CACHE="$out/cache"
compile classifier sm_80 false cubin >"$out/table" && mv "$out/classifier-sm_80-false-cubin" "$out/first"
for entry in "$out"/cache/*; do
    printf 'x' | dd of="$entry" bs=1 seek=100 conv=notrunc 2>/dev/null
    break
done
compile classifier sm_80 false cubin >"$out/table"
check "the cache serves the same" diff -r "$out/first" "$out/classifier-sm_80-false-cubin"
export GRAFT_CACHE=/proc/nowhere
check "a cache that cannot be written to" compile classifier sm_80 false cubin
echo "$passed passed, $failed failed"
[ $failed = 0 ]
