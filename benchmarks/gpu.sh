#!/usr/bin/env bash
# All that this project has to show on one GPU, in under 8 minutes, as one JSON file.
# Usage:   bash benchmarks/gpu.sh [--miniature] [--out DIR] [--parts NAME ...]
# Example: bash benchmarks/gpu.sh --out docs/results
# Needs no network and no data: Python, torch, and the packages of `pip install -e .`; parts whose
# packages are not there are left out with a sentence. --miniature runs the same small, on a CPU.
# OUT: where the file goes, unless --out says it. PYTHON: the interpreter (.venv/bin/python,
# python3).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
python=${PYTHON:-.venv/bin/python}
command -v "$python" >/dev/null || python=python3
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
exec "$python" benchmarks/gpu.py "$@"
