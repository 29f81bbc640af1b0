#!/usr/bin/env bash
# Makes the environment that this checkout needs and links it as .venv.
# Usage: bash tools/setup_env.sh [--with-mmcv]          (nothing to do: under 5 s)
# mmcv comes without its compiled operators, and mmrobustprune.compat.operators stands in for them: no compiler is needed.
# --with-mmcv, or MMRP_WITH_MMCV=1 for run_tests.sh and quickstart.sh: compiles mmcv with its operators instead (10 minutes
# or more on 2 cores; needs g++ and the headers of Python).
# MMRP_HOME: where environments and built wheels are kept (default: ~/.cache/mmrobustprune).
# Stopped, for want of disk or network or by hand, the same command goes on where it was.
# PYTHON:    the interpreter to use (default: the first of python3.11, 3.12, 3.10 and python3 that fits).
set -euo pipefail
case ${1:-${MMRP_WITH_MMCV:+--with-mmcv}} in
  --help) sed -n '2,9s/^# //p' "$0"; exit ;;
  --with-mmcv) mmcv=mmcv ;;
  '') mmcv=mmcv-lite ;;
  *) printf "setup: '%s' is unknown; the only options are --with-mmcv and --help.\n" "$1" >&2; exit 2 ;;
esac
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=${MMRP_HOME:-${XDG_CACHE_HOME:-${HOME:-/dev/null}/.cache}/mmrobustprune}
started=$(date +%s)
me=setup
log=$home/setup.log
. "$root/tools/steps/once.sh"
fits() { "$1" -c 'import sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; }

python=
for candidate in ${PYTHON:-python3.11 python3.12 python3.10 python3}; do
  if fits "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
  given=${PYTHON:+" ($PYTHON is $("$PYTHON" -V 2>&1 || true))"}
  die "no Python 3.10 to 3.12 with the venv module was found${given:- (tried: python3.11 python3.12 python3.10 python3)}; install one or name it with PYTHON=/path/to/python3.11."
fi
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
parts=("$root"/requirements/{pinned,pinned-nodeps,$mmcv}.txt)
[ $mmcv = mmcv ] || parts+=("$root/mmrobustprune.pth")
hash=$(cat "${parts[@]}" | sha256sum | cut -c1-12)
env=$home/envs/$hash-py$version
marks=$env/.done

link() {
  if [ -e "$root/.venv" ] && [ ! -L "$root/.venv" ]; then
    die "$root/.venv is a real folder, not our link; move it away and run the same command again."
  fi
  ln -sfn "$env" "$root/.venv" 2>/dev/null || die "$root/.venv cannot be made: this folder cannot be written; use $env/bin/python, or a checkout of your own."
  touch "$env/.used" 2>/dev/null || true  # another user may have made it
}
if [ -e "$env/.complete" ] && ! "$env/bin/python" -c '' 2>/dev/null; then  # removed since, or in another user's home
  rm -f "$env/.complete" "$marks/venv" "$env"/bin/python* 2>/dev/null \
    || die "$env was made with a Python that does not run here ($(readlink "$env/bin/python$version")); let its owner remove it and give PYTHON=/usr/bin/python$version bash tools/setup_env.sh, or name another folder with MMRP_HOME=/path."
fi
if [ -e "$env/.complete" ]; then
  link
  printf 'setup: environment ready (%s, %d s)\n' "$env" $(($(date +%s) - started))
  exit 0
fi

mkdir -p "$home/envs" "$home/wheels" 2>/dev/null && [ -w "$home/envs" ] \
  || die "$home cannot be written; name another folder with MMRP_HOME=/path."
rm -f "$log"  # another user may have written it
: 2>/dev/null >>"$home/lock" || true
exec 9<"$home/lock"
command -v flock >/dev/null && flock 9   # two checkouts, one build
if [ ! -e "$env/.complete" ]; then
  if [ $mmcv = mmcv ]; then
    command -v g++ >/dev/null || command -v c++ >/dev/null || die "no C++ compiler was found, and --with-mmcv compiles mmcv's operators; install one (Debian, Ubuntu: apt-get install g++) or leave out --with-mmcv."
    "$python" -c 'import sysconfig, os, sys; sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' \
      || die "the headers of Python $version (Python.h) are missing, and --with-mmcv needs them; install them (Debian, Ubuntu: apt-get install python$version-dev) or leave out --with-mmcv."
  fi
  free=$(df -Pk "$home" | awk 'NR==2 {print int($4 / 1048576)}')
  need=12; [ ! -e "$marks/pinned" ] || need=2
  [ "$free" -ge $need ] || die "$home has $free GB free and the set-up needs $need; free some or name another disk with MMRP_HOME=/path."
  mkdir -p "$marks"
  step venv "virtual environment, Python $version" "$python" -m venv "$env"
  pip() { "$env/bin/python" -m pip --disable-pip-version-check "$@"; }
  for one in "$env"/lib/python*/site-packages/*.dist-info; do  # of an installation that was stopped
    [ -e "$one/RECORD" ] || rm -rf "$one"
  done
  asked=$root/requirements/pinned.txt
  if [ $mmcv = mmcv ]; then  # its own torch in place of the pinned one
    asked=$env/pinned.txt
    { sed '/^torch==/d; /^torchvision==/d' "$root/requirements/pinned.txt"; sed '/^mmcv==/d' "$root/requirements/mmcv.txt"; } >"$asked"
  fi
  step pinned "packages (torch, OpenMMLab, about 5 GB)" pip install -r "$asked"
  step nodeps "packages without their needs" pip install --no-deps -r "$root/requirements/pinned-nodeps.txt"
  if [ $mmcv = mmcv ]; then
    needed=$(grep '^mmcv==' "$root/requirements/mmcv.txt")
    torch=$("$env/bin/python" -c 'import torch; print(torch.__version__)')
    wheels=$home/wheels/py$version-torch$torch-$needed
    if ! ls "$wheels"/mmcv-*.whl >/dev/null 2>&1; then
      build_mmcv() {
        local jobs; jobs=$(nproc 2>/dev/null || echo 2)
        rm -rf "$wheels.part"
        PATH="$env/bin:$PATH" MMCV_WITH_OPS=1 MAX_JOBS=$jobs \
          pip wheel --no-cache-dir --no-deps --no-build-isolation --no-binary mmcv -w "$wheels.part" "$needed" \
          && mv "$wheels.part" "$wheels"
      }
      step built "mmcv with its operators (10 minutes on 2 cores)" build_mmcv
    fi
    step mmcv "mmcv from its wheel" pip install --no-deps "$wheels"/mmcv-*.whl
  else
    step mmcv "mmcv without its compiled operators" pip install --no-deps -r "$root/requirements/mmcv-lite.txt"
    cp "$root/mmrobustprune.pth" "$("$env/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
  fi
  step check "check" env PYTHONPATH="$root" "$env/bin/python" -c 'import mmcv.ops, mmdet.apis, mmpretrain.apis, torch_pruning, imagecorruptions'
  touch "$env/.complete" "$env/.used"
  # Three environments stay: this one and the two used last before it. One without .complete was interrupted.
  for other in "$home"/envs/*/; do [ -e "$other/.complete" ] || rm -rf "$other"; done
  ls -dt "$home"/envs/*/.used 2>/dev/null | tail -n +4 | while read -r used; do rm -rf "$(dirname "$used")"; done
fi
link
printf 'setup: environment ready (%s, %d s)\n' "$env" $(($(date +%s) - started))
