#!/usr/bin/env bash
# Set up, then check the style, then run the tests; the last line is pytest's.
# Usage:   bash tools/run_tests.sh [pytest args]
# Example: bash tools/run_tests.sh tests/engine -k resume
# Slow tests run within a budget, those unrun for longest first: MMRP_SLOW_BUDGET seconds (150), or --slow-budget.
set -euo pipefail
if [ "${1:-}" = --help ]; then sed -n '2,5s/^# //p' "$0"; exit; fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
bash tools/setup_env.sh
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
.venv/bin/ruff check .
exec .venv/bin/python -m pytest "$@"
