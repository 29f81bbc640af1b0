#!/usr/bin/env bash
# Set up, then check the style, then run the tests; the last line is pytest's.
# Usage:   bash tools/run_tests.sh [pytest args]
# Example: bash tools/run_tests.sh tests/engine -k resume
# Without arguments the rooms that compute run a second time beside it, as on a processor without AVX-512, some of them every fourth day.
# Slow tests run within a budget, those unrun for longest first: MMRP_SLOW_BUDGET seconds (30) per process, or --slow-budget.
# MMRP_TEST_WORKERS: processes without arguments (the cores, at most 4).
set -euo pipefail
if [ "${1:-}" = --help ]; then sed -n '2,7s/^# //p' "$0"; exit; fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
bash tools/setup_env.sh
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
python=.venv/bin/python
.venv/bin/ruff check .
.venv/bin/ruff format --check --quiet . || {
  echo "these files are not as 'ruff format' leaves them; run it:" >&2
  .venv/bin/ruff format --check . >&2 || true
  exit 1
}
if [ $# -gt 0 ]; then exec $python -m pytest "$@"; fi

cores=$(env -u OMP_NUM_THREADS nproc 2>/dev/null || echo 2)  # nproc answers with that variable
workers=${MMRP_TEST_WORKERS:-$((cores < 4 ? cores : 4))}
computing=(attack compat/operators compat/test_{amp,autocast,onednn}.py grouped_kernels sharpness surgery
  engine/bridge/test_channels_last.py engine/optim)
turns=('analysis masks scores' models 'dependency structure' 'latency mask_search')  # a day each
read -ra today <<<"${turns[10#$(date +%j) % 4]}"
computing+=("${today[@]}")
log=$(mktemp)
trap 'rm -f "$log"' EXIT
env ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 \
  $python -m pytest -q -m 'not slow' -p no:cacheprovider --ignore tests/engine/optim/test_traps_ddp.py \
    "${computing[@]/#/tests/}" >"$log" 2>&1 &
other=$!
status=0
$python -m pytest -n "$workers" --dist worksteal || status=$?
if wait $other; then
  echo "as without AVX-512: $(tail -n 1 "$log")" >&2  # pytest's own line stays the last
else
  sed 's/^/AVX2 | /' "$log" | tail -n 150
  echo "the tests fail as on a processor without AVX-512 (above, marked AVX2)"
  status=1
fi
exit $status
