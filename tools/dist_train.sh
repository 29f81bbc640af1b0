#!/usr/bin/env bash
# Train on several processes of this machine (or of NNODES machines); without a GPU through gloo.
# Usage:   bash tools/dist_train.sh CONFIG PROCESSES [options of tools/train.py]
# Example: bash tools/dist_train.sh configs/shapes/ssd-r18_shapes.py 2 --work-dir work_dirs/shapes
# Environment: NNODES (1), NODE_RANK (0), MASTER_ADDR (127.0.0.1), PORT (29500), as in mmdet; PYTHON.
set -euo pipefail
if [ $# -lt 2 ] || [ "$1" = --help ]; then sed -n '2,5s/^# //p' "$0"; [ "${1:-}" = --help ] && exit 0; exit 2; fi
case "$2" in *[!0-9]*|'') echo "dist_train: '$2' is no number of processes; give it after the config, before any option." >&2; exit 2; esac
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-$([ -x "$root/.venv/bin/python" ] && echo "$root/.venv/bin/python" || echo python)}
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
exec "$python" -m torch.distributed.run \
  --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$2" \
  --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
  "$root/tools/train.py" "$1" --launcher pytorch "${@:3}"
