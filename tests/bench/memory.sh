#!/bin/sh
# memory.sh -- peak memory of a training run, beside what is planned for its steps.
#   memory.sh GRAFT JOB.json [--set KEY=VALUE ...]
# Prints the plans, as `graft compile` tells them, and the peak resident memory of
# `graft train` on the CPU: all that the process has had in memory at once, pages of
# libraries and of the mapped checkpoint included.  JOB names its checkpoint, or
# --set checkpoint=DIR does.  Trains into the job's output_dir, over what is there.
[ $# -ge 2 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2; }
graft=$1 job=$2
shift 2
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT

"$graft" compile "$job" "$@" --target cpu -o "$folder/job.gfc" || exit 1
python3 - "$graft" train "$job" "$@" --device cpu --overwrite <<'EOF'
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
# of the only child: kilobytes on Linux
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
print(f"peak resident {peak / 1e6:,.1f} MB")
sys.exit(code)
EOF
