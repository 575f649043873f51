#!/bin/sh
# run.sh [STEP...] -- on a machine with a GPU, in the folder that pack.sh made: the most
# important first, each with a limit of its own, going on after a failure.
#
#   OUT      where results go (default: results beside this script): RESULTS, a line a
#            step and what it found; logs.txt; profile*.txt, speed*.json
#   SECONDS_IN_ALL=540
#   GRAFT_NVRTC, GRAFT_LIBCUDA, GRAFT_CACHE   as for graft
#   PEERS="notebook dynamic compiled"   of the speed step; "": none
#   PEER_DEVICE=cuda
#
# For a trial without a GPU, over tests/cuda's libraries: SIZES="hidden_size=64 ..."
# makes the model of the speed steps smaller, TRIAL=1 all trainings a few steps long
# and the limit of each step 31 times what it is.
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-$here/results}
mkdir -p "$out" && out=$(cd "$out" && pwd)
work=${GRAFT_GPU_WORK:-$(mktemp -d)} # not among the results: models are large
export GRAFT_GPU_WORK="$work" PATH="$PATH:/usr/local/cuda/bin"
graft=$here/bin/graft
total=${SECONDS_IN_ALL:-540}
peers=${PEERS-notebook dynamic compiled}
sizes=${SIZES:-} trial=${TRIAL:-}
cd "$here" || exit 2

all="facts reference speed_graft profile reference_bf16 reference_tiles reference_wgmma speed_wgmma profile_wgmma same_bits
     train_lora_f32 train_lora_bf16 train_full_f32 train_full_bf16 accuracy memcheck speed racecheck"

limit_of() { # STEP: seconds
    case $1 in
    facts | accuracy) echo 20 ;;
    reference | reference_tiles | reference_wgmma | speed_graft | profile) echo 90 ;;
    speed) echo 270 ;;
    *) echo 60 ;;
    esac
}

sets() { # KEY=VALUE...: as options of graft
    for word in "$@"; do printf ' --set %s' "$word"; done
}

# ---- where NVRTC is: as graft finds it, else where this Python has it ----------------

find_nvrtc() {
    python3 - 2>/dev/null <<'PYTHON'
import glob, site, sys
folders = site.getsitepackages() + [site.getusersitepackages()] + sys.path
found = [f for d in folders for f in sorted(glob.glob(d + "/nvidia/*/lib/libnvrtc.so.1[2-9]"), reverse=True)]
print(found[0] if found else "")
PYTHON
}

has_nvrtc() {
    "$graft" compile models/bert.json --variant models/variants/classifier.json --set num_hidden_layers=1 \
        --target cuda:sm_80 --emit ptx -o "$work/nvrtc" >/dev/null 2>&1
}

# ---- the steps -----------------------------------------------------------------------

step_facts() {
    date -u '+%Y-%m-%d %H:%M UTC'
    echo "graft $(cat VERSION), $("$graft" --version 2>&1 | head -n 1)"
    uname -sr
    ldd --version 2>&1 | head -n 1
    nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap,clocks.sm,clocks.max.sm --format=csv,noheader
    echo "NVRTC: ${GRAFT_NVRTC:-found by graft}"
    python3 -c 'import sys; print("python", sys.version.split()[0])'
    for package in torch transformers peft; do
        python3 -c "from importlib.metadata import version; print('$package', version('$package'))" 2>/dev/null ||
            echo "$package is not installed"
    done
    for tool in compute-sanitizer ncu nsys; do command -v $tool || echo "$tool is not installed"; done
}

step_reference() {
    bin/reference reference --device cuda --model models/bert.json
}

step_reference_bf16() {
    bin/reference reference --device cuda --model models/bert.json --bf16
}

# The reference models are narrow: a size of tiles must be named, or the smallest would be used.
step_reference_tiles() {
    for tile in 64x64 64x128 128x128; do
        echo "tiles of $tile"
        GRAFT_CUDA_FEATURES=tile:$tile step_reference_bf16 || return 1
    done
}

step_reference_wgmma() {
    for tile in 64x64 64x96 64x128 128x64 128x96 128x128; do
        echo "tiles of $tile"
        GRAFT_CUDA_FEATURES=wgmma:$tile step_reference_bf16 || return 1
    done
    : >"$work/wgmma-is-right"
}

wgmma_is_right() {
    [ -e "$work/wgmma-is-right" ] || { echo "not measured: reference_wgmma has not passed"; return 77; }
}

sanitize() { # TOOL [--bf16]: a step and a training of the first reference run
    command -v compute-sanitizer >/dev/null || { echo "not measured: compute-sanitizer is not installed"; return 77; }
    tool=$1
    shift
    compute-sanitizer --tool "$tool" --error-exitcode 9 bin/reference reference --device cuda --model models/bert.json \
        --run "$(first_run)" "$@"
}

first_run() {
    sed -n 's/.*"name": *"\([a-z-]*\)".*/\1/p' reference/golden.json | head -n 1
}

step_memcheck() { sanitize memcheck; }
step_racecheck() { sanitize racecheck && GRAFT_CUDA_FEATURES=tile:128x128 sanitize racecheck --bf16; }

train() { # NAME VARIANT KEY=VALUE...: MiniLM on the emotion data
    name=$1 variant=$2
    shift 2
    # shellcheck disable=SC2046
    "$graft" train models/jobs/emotion-minilm.json --device cuda --overwrite --losses "$work/$name.jsonl" \
        $(sets "checkpoint=$here/minilm" "data.dir=$here/emotion" "training.output_dir=$work/$name" \
               "variants=$here/models/variants/$variant.json" "training.learning_rate=$(rate_of "$variant")" "$@" ${trial:+training.max_steps=4})
}

rate_of() { # VARIANT: the job's own, which a variant named by its file does not have
    case $1 in full) echo 1e-4 ;; *) echo 1.5e-3 ;; esac
}

step_same_bits() {
    for variant in full lora; do
        for i in 1 2; do
            train "same$i" $variant training.bf16=true training.max_steps=100 data.validation=null data.test=null \
                training.eval_strategy=no training.save_strategy=no >/dev/null || return 1
        done
        file=$(basename "$(ls "$work/same1/$variant"/*model.safetensors)")
        cmp "$work/same1/$variant/$file" "$work/same2/$variant/$file" || return 1
        echo "$variant: the same bits after $(grep -c . "$work/same1.jsonl") steps, twice"
    done
}

# On 2,000 examples one run's accuracy says little: means over seeds are compared.
train_seeds() { # NAME VARIANT KEY=VALUE...
    name=$1
    shift
    for seed in 42 43 44; do
        train_once "$name-$seed" "$@" "training.seed=$seed" || return 1
    done
}

train_once() {
    (train "$@")
}

step_train_lora_f32() { train_seeds lora-f32 lora training.num_train_epochs=3; }
step_train_lora_bf16() { train_seeds lora-bf16 lora training.num_train_epochs=3 training.bf16=true; }
step_train_full_f32() { train_seeds full-f32 full training.num_train_epochs=2; }
step_train_full_bf16() { train_seeds full-bf16 full training.num_train_epochs=2 training.bf16=true; }

accuracy_of() { # NAME: on the test split, the mean over seeds
    cat "$work/$1"-4?/comparison.md |
        awk -F'|' '$2 ~ /lora|full/ { for (i = 3; i < NF; i++) if (names[i] ~ /accuracy/) { sum += $i; count++ } }
                   $2 ~ /variant/ { for (i = 3; i < NF; i++) names[i] = $i }
                   END { if (count) print sum / count }'
}

# bf16 within half a point of f32
step_accuracy() {
    status=0
    for variant in lora full; do
        f32=$(accuracy_of $variant-f32) bf16=$(accuracy_of $variant-bf16)
        [ -n "$f32" ] && [ -n "$bf16" ] || { echo "$variant: not measured"; status=1; continue; }
        awk -v v=$variant -v a="$f32" -v b="$bf16" 'BEGIN { d = a > b ? a - b : b - a
            printf "%s: test accuracy, mean of three seeds, f32 %.4f, bf16 %.4f: %s\n", v, a, b, d <= 0.005 ? "within half a point" : "MORE than half a point apart"
            exit d > 0.005 }' || status=1
    done
    return $status
}

# shellcheck disable=SC2086
speed() { # ARGUMENTS of speed.py
    python3 speed.py --graft "$graft" --device "${PEER_DEVICE:-cuda}" ${sizes:+--sizes $sizes} ${trial:+--steps 6 --left-out 2} "$@"
}

step_speed_graft() {
    speed --rounds 1 --out "$out/speed-graft.json"
}

step_speed_wgmma() {
    wgmma_is_right || return
    speed --rounds 1 --peers graft:wgmma --out "$out/speed-wgmma.json"
}

# shellcheck disable=SC2086
step_speed() {
    wgmma_is_right >/dev/null && peers="graft:wgmma $peers"
    speed --rounds 2 --until 170 --peers $peers --out "$out/speed.json"
}

architecture() { # of the device, as graft names it: sm_90a
    capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -d .)
    case ${capability:=90} in 90) echo sm_90a ;; *) echo "sm_$capability" ;; esac
}

# shellcheck disable=SC2046
profile() { # NAME: the kernels of a step to NAME.txt
    target=cuda:$(architecture) status=0
    : >"$out/$1.txt"
    for variant in full lora classifier; do
        "$graft" compile models/bert.json --variant "models/variants/$variant.json" --target "$target" --emit ir \
            -o "$work/$variant.gir" $(sets num_labels=6 training.bf16=true $sizes) &&
            { echo "$variant, bf16, 712 tokens in 32 sequences"
              bin/bench_step "$work/$variant.gir" 712 32 --device cuda; } >>"$out/$1.txt" || status=1
        sed -n "/^$variant,/,/ launches$/p" "$out/$1.txt"
    done
    return $status
}

step_profile() { profile profile; }

step_profile_wgmma() {
    wgmma_is_right || return
    GRAFT_CUDA_FEATURES=wgmma
    export GRAFT_CUDA_FEATURES
    profile profile-wgmma
}

# ---- running them --------------------------------------------------------------------

say() { echo "$@" | tee -a "$out/RESULTS"; }

verdict() { # EXIT STATUS
    case $1 in
    0) echo passed ;;
    77) echo "not measured" ;;
    124 | 137) echo "FAILED: past its limit" ;;
    *) echo "FAILED ($1)" ;;
    esac
}

run_step() { # STEP
    now=$(date +%s) limit=$(($(limit_of "$1") * ${trial:+3}1))
    left=$((total - now + began))
    [ "$limit" -gt "$left" ] && limit=$left
    if [ "$limit" -lt 3 ]; then
        say "== $1: not measured: no time was left"
        return
    fi
    timeout -k 5 "$limit" sh "$here/run.sh" --step "$1" >"$work/$1.log" 2>&1
    status=$?
    say "== $1: $(verdict $status), $(($(date +%s) - now)) s"
    tail -n 24 "$work/$1.log" | tee -a "$out/RESULTS"
    { echo "==== $1"; cat "$work/$1.log"; } >>"$out/logs.txt"
}

if [ "${1:-}" = --step ]; then
    "step_$2"
    exit
fi
began=$(date +%s)
: >"$out/RESULTS"
: >"$out/logs.txt"
export PYTHONUNBUFFERED=1
if [ -z "${GRAFT_NVRTC:-}" ] && ! has_nvrtc; then
    GRAFT_NVRTC=$(find_nvrtc)
    export GRAFT_NVRTC
fi
# shellcheck disable=SC2086
for step in ${*:-$all}; do run_step "$step"; done
rm -rf "$work"
say "== $(grep -c '^== .*: passed' "$out/RESULTS") steps passed, $(grep -c '^== .*: FAILED' "$out/RESULTS") failed, $(grep -c '^== .*: not measured' "$out/RESULTS") not measured, $(($(date +%s) - began)) s"
! grep -q '^== .*: FAILED' "$out/RESULTS"
