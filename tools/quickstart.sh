#!/usr/bin/env bash
# Set up, then show the whole idea on a generated set: train a small SSD, prune it with AdaSAP, compare both under corruption.
# Usage:   bash tools/quickstart.sh [--smoke] [--work-dir DIR]
# Example: bash tools/quickstart.sh --smoke     every step in miniature, under 90 s
set -euo pipefail
if [ "${1:-}" = --help ]; then sed -n '2,4s/^# //p' "$0"; exit; fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/tools/setup_env.sh"
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
exec "$root/.venv/bin/python" "$root/tools/quickstart.py" "$@"
