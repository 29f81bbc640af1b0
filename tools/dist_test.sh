#!/usr/bin/env bash
# Evaluate on several processes of this machine (or of NNODES machines); without a GPU through gloo.
# Usage:   bash tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [options of tools/test.py]
# Example: bash tools/dist_test.sh work_dirs/shapes/pruned.py work_dirs/shapes/pruned.pth 2
# Environment: NNODES (1), NODE_RANK (0), MASTER_ADDR (127.0.0.1), PORT (29500), as in mmdet; PYTHON.
set -euo pipefail
if [ $# -lt 3 ] || [ "$1" = --help ]; then sed -n '2,5s/^# //p' "$0"; [ "${1:-}" = --help ] && exit 0; exit 2; fi
case "$3" in *[!0-9]*|'') echo "dist_test: '$3' is no number of processes; give it after the checkpoint, before any option." >&2; exit 2; esac
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-$([ -x "$root/.venv/bin/python" ] && echo "$root/.venv/bin/python" || echo python)}
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
exec "$python" -m torch.distributed.run \
  --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$3" \
  --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
  "$root/tools/test.py" "$1" "$2" --launcher pytorch "${@:4}"
