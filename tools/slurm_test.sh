#!/usr/bin/env bash
# Evaluate under Slurm, one task per GPU.
# Usage:   bash tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [options of tools/test.py]
# Example: GPUS=4 bash tools/slurm_test.sh gpu ssd work_dirs/shapes/pruned.py work_dirs/shapes/pruned.pth
# Environment: GPUS (8), GPUS_PER_NODE (8, or GPUS where that is less), CPUS_PER_TASK (5), SRUN_ARGS, as in mmdet; PYTHON, PORT
#   (29500), and GRES (gpu:GPUS_PER_NODE): empty on nodes without a GPU, where GPUS counts processes and gloo connects them.
set -euo pipefail
if [ $# -lt 4 ] || [ "$1" = --help ]; then sed -n '2,6s/^# //p' "$0"; [ "${1:-}" = --help ] && exit 0; exit 2; fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-$([ -x "$root/.venv/bin/python" ] && echo "$root/.venv/bin/python" || echo python)}
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
export MASTER_PORT="${MASTER_PORT:-${PORT:-29500}}"
gpus=${GPUS:-8}
per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
gres=${GRES-gpu:$per_node}
# shellcheck disable=SC2086  # SRUN_ARGS holds several options
exec srun -p "$1" --job-name="$2" ${gres:+--gres="$gres"} --ntasks="$gpus" --ntasks-per-node="$per_node" \
  --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
  "$python" -u "$root/tools/test.py" "$3" "$4" --launcher slurm "${@:5}"
