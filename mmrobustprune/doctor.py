"""What is installed, which mends of upstream are active, which devices there are, what is missing.

Example:
    mmrobustprune doctor
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distributions
from itertools import chain
from pathlib import Path
from typing import Any

import mmrobustprune

EXTRA = "pip install 'mmrobustprune[{}]'"
OPENMMLAB = EXTRA.format('openmmlab')
FORK = 'onedl-'  # how its distributions begin; their modules are named as upstream's


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        topic: the heading it stands under.
        what: the thing looked at.
        found: its version or state.
        advice: what to do about a gap; empty where there is none.
        wrong: whether nothing of OpenMMLab runs before it is mended; a gap that is not wrong only
            closes one door.
    """

    topic: str
    what: str
    found: str
    advice: str = ''
    wrong: bool = False


@dataclass(frozen=True)
class Package:
    """A module that some part of mmrobustprune imports.

    Attributes:
        module: its import name.
        use: what needs it.
        advice: how it is installed.
        needed: whether nothing works without it.
    """

    module: str
    use: str
    advice: str
    needed: bool = False


PACKAGES = (
    Package('torch', 'everything', 'install torch from pytorch.org', True),
    Package(
        'torchvision', 'operators and data sets', 'install the torchvision of your torch', True
    ),
    Package('torch_pruning', 'channel pruning', 'pip install torch-pruning', True),
    Package('mmengine', 'configs and runners', OPENMMLAB),
    Package('mmcv', 'image pipelines', OPENMMLAB),
    Package('mmdet', 'detectors', OPENMMLAB),
    Package('mmpretrain', 'classifiers', OPENMMLAB),
    Package('imagecorruptions', 'corruption suites', EXTRA.format('corruption')),
    Package('pyautoattack', 'AutoAttack', EXTRA.format('attack')),
    Package('onnx', 'ONNX export', 'pip install onnx onnxscript'),
)


def main(arguments: list[str] | None = None) -> int:
    """Print the report.

    Returns:
        1 where something is wrong, else 0.
    """
    parser = argparse.ArgumentParser(
        prog='mmrobustprune doctor',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    findings = [*_python(), *_packages(), *_operators(), *_mends(), *_devices(), *_folders()]
    print(report(findings))
    return int(any(finding.wrong for finding in findings))


def report(findings: list[Finding]) -> str:
    """The findings under their topics, then everything that can be done about the gaps."""
    lines = []
    topic = ''
    for one in findings:
        if one.topic != topic:
            topic = one.topic
            lines += ['', topic]
        mark = '!' if one.wrong else '-' if one.advice else ' '
        lines.append(f' {mark} {one.what:<24} {one.found}')
    advised = [one for one in findings if one.advice]
    lines += ['', 'to do' if advised else 'nothing is missing.']
    lines += [f'   {one.what}: {one.advice}' for one in advised]
    return '\n'.join(lines[1:])


def _python() -> Iterator[Finding]:
    fits = (3, 10) <= sys.version_info[:2] <= (3, 12)
    advice = '' if fits else 'use Python 3.10, 3.11 or 3.12'
    yield Finding('python', 'python', platform.python_version(), advice, not fits)
    yield Finding('python', 'mmrobustprune', mmrobustprune.__version__)
    yield Finding('python', 'where', str(Path(mmrobustprune.__file__).parent))


def _packages() -> Iterator[Finding]:
    names = _distribution_names()
    has_fork = any(name.startswith(FORK) for name in chain(*names.values()))
    for package in PACKAGES:
        top = package.module
        missing = package.advice
        if has_fork and missing == OPENMMLAB:
            missing = EXTRA.format('onedl')
        try:
            module = importlib.import_module(top)
        except ModuleNotFoundError as error:
            if error.name == top:
                found = f'not installed: no {package.use}'
                advice = missing
            else:
                found = f'cannot be imported: {error.name} is missing'
                advice = f'pip install {error.name}'
            yield Finding('packages', top, found, advice, package.needed)
        except Exception as error:  # a broken build raises anything
            reason = str(error).strip().splitlines()
            found = f'is broken: {type(error).__name__}: {reason[0] if reason else ""}'
            advice = f'install {top} again, in a build that fits the rest'
            yield Finding('packages', top, found, advice, True)
        else:
            brought = sorted(names.get(top, {top}))
            called = ' or '.join(brought)
            found = f'{_version(module, called)} ({called})'
            if package.advice == OPENMMLAB and len(brought) > 1:
                advice = f'pip uninstall {" ".join(brought)}, then install one of them again'
                yield Finding('packages', top, f'both {" and ".join(brought)}', advice, True)
            else:
                yield Finding('packages', top, found)


def _distribution_names() -> dict[str, set[str]]:
    """Import name -> the distributions that bring it: a fork has the same import name."""
    found: dict[str, set[str]] = {}
    for one in distributions():
        tops = (one.read_text('top_level.txt') or '').split()
        for top in tops or [one.metadata['Name'].replace('-', '_')]:
            found.setdefault(top, set()).add(one.metadata['Name'])
    return found


def _version(module: Any, distribution: str) -> str:
    """What the distribution says, or the module where it knows the build as well."""
    own = str(getattr(module, '__version__', ''))
    installed = next((one.version for one in distributions(name=distribution)), own)
    return own if own.startswith(installed) else installed


def _is_there(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # so a finder may say it
        return False


def _operators() -> Iterator[Finding]:
    """Whether mmcv's operators are its own, compiled, or those that stand in for them."""
    if not _is_there('mmcv'):
        return
    try:
        extension = importlib.import_module('mmcv._ext')
    except ImportError as error:
        yield Finding('packages', "mmcv's operators", str(error), 'do as it says', True)
        return
    compiled = getattr(extension, '__file__', None)
    state = 'compiled' if compiled else 'torchvision and plain PyTorch stand in'
    yield Finding('packages', "mmcv's operators", state)


def _mends() -> Iterator[Finding]:
    yield Finding('mends of upstream', 'torch on CPUs', 'active: oneDNN#6035')
    try:
        from mmrobustprune.compat import fixes
    except ImportError as error:
        if error.name != 'mmengine':
            yield Finding('mends of upstream', 'OpenMMLab', str(error), 'do as it says', True)
        return
    for fix in fixes.FIXES:
        package = fix.module.partition('.')[0]
        if _is_there(package):
            yield Finding('mends of upstream', package, f'{_state(fix)}: {fix.issue}')


def _state(fix: Any) -> str:
    from mmrobustprune.compat import fixes

    try:
        return fixes.state(fix)
    except Exception:  # what it mends is broken, which is said above
        return 'not tried'


def _devices() -> Iterator[Finding]:
    import torch

    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            yield Finding('devices', f'cuda:{index}', torch.cuda.get_device_name(index))
    else:
        built = torch.version.cuda
        state = 'none: training on the CPU' + ('' if built else ' (torch is built without CUDA)')
        yield Finding('devices', 'GPU', state)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    yield Finding('devices', 'CPU', f'{cores} cores, {torch.get_num_threads()} threads')


def _folders() -> Iterator[Finding]:
    from mmrobustprune.records.contents import cache_folder

    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            yield Finding('folders', 'caches', str(folder))
    except OSError as error:
        found = f'{folder} cannot be written ({error.strerror})'
        advice = 'name another folder with MMRP_HOME=/path'
        yield Finding('folders', 'caches', found, advice)
