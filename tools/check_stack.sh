#!/usr/bin/env bash
# Makes an environment with one combination of Python, torch and OpenMMLab, installs this checkout into it as pip does, and tries
# the main job there: train, prune, resume, load, corrupt, attack, export. The outcome goes to docs/results/stacks/NAME.json.
# Usage: bash tools/check_stack.sh NAME          (names: the first column of tools/stacks.csv)
# Stopped, the same command goes on where it was. An environment takes 5 GB; remove it when it is no longer needed.
# MMRP_HOME: environments are made in MMRP_HOME/stacks (default: ~/.cache/mmrobustprune).
# PYTHON:    the interpreter, where it is not found under its own name.
set -euo pipefail
if [ "${1:-}" = --help ]; then sed -n '2,7s/^# //p' "$0"; exit; fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
me=check_stack
. "$root/tools/steps/once.sh"
row=$(grep "^${1:-},[0-9]" "$root/tools/stacks.csv") \
  || die "there is no stack '${1:-}'; give one of $(tail -n +2 "$root/tools/stacks.csv" | cut -d, -f1 | paste -sd ' ')."
IFS=, read -r name version extra torch torchvision _ <<<"$row"
folder=${MMRP_HOME:-${XDG_CACHE_HOME:-${HOME:-/dev/null}/.cache}/mmrobustprune}/stacks/$name
env=$folder/env
marks=$env/.done
log=$folder/setup.log
mkdir -p "$marks" 2>/dev/null || die "$folder cannot be made; name another folder with MMRP_HOME=/path."

is_version() { "$1" -c "import sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" 2>/dev/null; }
python=
for candidate in ${PYTHON:-} "python$version" "${HOME:-}/.pyenv/versions/$version".*/bin/python; do
  if is_version "$candidate"; then python=$candidate; break; fi
done
[ -n "$python" ] || die "no Python $version was found for the stack '$name'; install it or name it with PYTHON=/path/to/python$version."

pip() { "$env/bin/python" -m pip --disable-pip-version-check "$@"; }
copy() {  # what belongs to the package, without what lies about in the checkout
  rm -rf "$folder/source" && mkdir "$folder/source"
  cp -a "$root"/{LICENSE,MANIFEST.in,README.md,setup.py,pyproject.toml,mmrobustprune.pth,requirements,configs,mmrobustprune,tools} "$folder/source"
  find "$folder/source" -name __pycache__ -prune -exec rm -rf {} +
}
install() {
  rm -rf "$folder/dist"
  pip wheel --no-deps -w "$folder/dist" "$folder/source" \
    && pip install --force-reinstall --no-deps "$folder"/dist/*.whl \
    && pip install "$(echo "$folder"/dist/*.whl)[$extra,corruption]"
}

copy
source=$(cd "$folder/source" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12)
wanted=$(printf '%s' "torch$torch torchvision$torchvision" | sha256sum | cut -c1-12)
step env "Python $version" "$python" -m venv "$env"
step "torch-$wanted" "torch$torch (about 5 GB)" pip install "torch$torch" "torchvision$torchvision"
step onnx "what ONNX needs" pip install onnx onnxruntime onnxscript
step "package-$source" "this checkout and its $extra" install
mkdir -p "$folder/work" && cd "$folder/work"
exec env -u PYTHONPATH "$env/bin/python" "$root/tools/steps/stack.py" "$name" "$source" "$root"
