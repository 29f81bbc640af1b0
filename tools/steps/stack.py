"""The main job in miniature on the stack that is installed here; check_stack.sh calls it there.

Usage: stack.py NAME SOURCE ROOT, in the folder where it works. SOURCE is a digest of the package:
steps that were done with the same are not done again.
"""

import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import mmrobustprune
from mmrobustprune.records.files import read_json, write_json
from mmrobustprune.records.stamp import installed, versions

LIMIT = 3600  # seconds for one step, on a machine with other work
ALSO = ('torchvision', 'torch-pruning', 'onnx', 'onnxruntime')
TOOL = str(Path(sys.executable).with_name('mmrobustprune'))
DATA = "dict(data_root='shapes/', generate=dict(train=32, test=8, size=192, seed=0))"
CONFIGS = Path(mmrobustprune.__file__).parent / '.mim' / 'configs'
FILES = {
    'dense.py': f"""
_base_ = '{CONFIGS}/shapes/ssd-r18_shapes.py'
train_dataloader = dict(dataset={DATA})
val_dataloader = dict(dataset={DATA})
test_dataloader = dict(dataset={DATA})
train_cfg = dict(max_epochs=3, val_interval=3)
default_hooks = dict(checkpoint=dict(max_keep_ckpts=3))
""",
    'two_lines.py': """
_base_ = 'dense.py'
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='adasap', target=0.5)
""",
    'classifier.py': """
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(type='ClsDataPreprocessor', mean=[120, 110, 100], std=[50, 60, 70]),
    backbone=dict(type='MobileNetV2', widen_factor=0.25),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=2, in_channels=1280))
test_dataloader = dict(
    batch_size=4, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CustomDataset', data_root='images', test_mode=True,
                 pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')]))
test_evaluator = dict(type='Accuracy', topk=(1,))
test_cfg = dict()
""",
}
SAME = """
import torch
one, other = (torch.load(f'{run}/pruned.pth')['state_dict'] for run in ('run', 'again'))
assert one.keys() == other.keys(), 'the resumed network has another structure'
assert all(torch.equal(one[key], other[key]) for key in one), 'the resumed weights differ'
"""
STOCK = """
import runpy, sys, mmdet
sys.argv[0] = mmdet.__path__[0] + '/.mim/tools/test.py'
runpy.run_path(sys.argv[0], run_name='__main__')
"""
DETECT = """
import numpy, mmdet.apis
model = mmdet.apis.init_detector('run/pruned.py', 'run/pruned.pth', device='cpu')
image = numpy.zeros((192, 192, 3), numpy.uint8)
found = mmdet.apis.inference_detector(model, image).pred_instances
assert found.bboxes.shape[1] == 4
"""
REFUSE = """
import os, torch, mmrobustprune.compat.fixes
from mmengine.runner.checkpoint import CheckpointLoader
class Crafted:
    def __reduce__(self):
        return os.mkdir, ('ran',)
torch.save(Crafted(), 'crafted.pth')
try:
    CheckpointLoader.load_checkpoint('crafted.pth')
except ValueError as error:
    assert 'was not loaded because it asks for' in str(error), error
assert not os.path.exists('ran'), 'loading a checkpoint ran code'
CheckpointLoader.load_checkpoint('run/epoch_3.pth')
torch.load('run/epoch_3.pth')
"""
IMAGES = """
import cv2, numpy, os, torch
from mmpretrain import get_model
for index in range(8):
    os.makedirs(f'images/{index % 2}', exist_ok=True)
    image = numpy.random.default_rng(index).integers(0, 256, (64, 64, 3), dtype=numpy.uint8)
    cv2.imwrite(f'images/{index % 2}/{index}.png', image)
torch.manual_seed(0)
torch.save(dict(state_dict=get_model('classifier.py').state_dict()), 'classifier.pth')
"""


NOT_RUN = dict(ok=None, said='not run', seconds=None)


@dataclass(frozen=True)
class Step:
    """A promise and what tries it.

    Attributes:
        name: what is done.
        commands: one after the other; each must end with 0.
        makes: folders that what was stopped may have left.
    """

    name: str
    commands: list[list[str]]
    makes: list[str] = field(default_factory=list)


def code(text: str, *arguments: str) -> list[str]:
    return [sys.executable, '-c', text, *arguments]


PRUNED = ['run/pruned.py', 'run/pruned.pth']
HALF = ['half/pruned.py', 'half/pruned.pth']
STEPS = (
    Step('doctor', [[TOOL, 'doctor']]),
    Step('train and prune', [[TOOL, 'train', 'two_lines.py', '--work-dir', 'run']], ['run']),
    Step('init_detector', [code(DETECT)]),
    Step('a crafted file runs nothing', [code(REFUSE)], ['ran']),
    Step(
        'resume',
        [
            [TOOL, 'train', 'two_lines.py', '--work-dir', 'again', '--resume', 'run/epoch_1.pth'],
            code(SAME),
        ],
        ['again'],
    ),
    Step("mmdet's own test.py", [code(STOCK, *PRUNED, '--work-dir', 'stock')], ['stock']),
    Step(
        'corrupt',
        [
            [TOOL, 'robustness', *PRUNED, '--corruptions', 'gaussian_noise', 'fog']
            + ['--severities', '3', '--work-dir', 'corrupted', '--no-report']
        ],
        ['corrupted'],
    ),
    Step('export', [[TOOL, 'export', *PRUNED, '--out', 'exported']], ['exported']),
    Step(
        'prune a classifier',
        [
            code(IMAGES),
            [TOOL, 'prune', 'classifier.py', 'classifier.pth', '--out', 'half', '--target', '0.3']
            + ['--shape', '64', '64', '--recalibrate', ''],
        ],
        ['half', 'images'],
    ),
    Step(
        'attack',
        [
            [TOOL, 'attack', *HALF, '--attack', 'pgd', '--steps', '2', '--eps', '2/255']
            + ['--work-dir', 'attacked']
        ],
        ['attacked'],
    ),
)


def tried(step: Step) -> dict:
    """What came of a step: ok, one sentence where it is not, and seconds."""
    start = time.monotonic()
    for folder in step.makes:
        shutil.rmtree(folder, ignore_errors=True)
    said = ''
    with open('log.txt', 'a') as log:
        for command in step.commands:
            said = failure(command, log)
            if said:
                break
    seconds = round(time.monotonic() - start)
    return dict(step=step.name, ok=not said, said=said, seconds=seconds)


def failure(command: list[str], log) -> str:
    """Empty where the command ends well, else the last thing that it said."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return f'it was not done in {LIMIT} s'
    print(*command, done.stdout, done.stderr, sep='\n', file=log, flush=True)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return (lines[-1].strip() if lines else f'exit code {done.returncode}') * bool(done.returncode)


def main(name: str, source: str, root: str) -> int:
    """Try every step that was not done well with this source, and write the outcome down."""
    for file, text in FILES.items():
        Path(file).write_text(text)
    notes = Path('steps.json')
    known = read_json(notes) if notes.exists() else {}
    rows = known.get('rows', {}) if known.get('source') == source else {}
    for step in STEPS:
        if not rows.get(step.name, {}).get('ok'):
            rows[step.name] = tried(step)
            write_json(notes, dict(source=source, rows=rows))
            write_json(Path(root, 'docs', 'results', 'stacks', f'{name}.json'), outcome(name, rows))
        row = rows[step.name]
        shown = 'ok' if row['ok'] else f'failed: {row["said"]}'
        print(f'{name:<18} {step.name:<40} {row["seconds"]:>5} s  {shown}', flush=True)
    return int(not all(row['ok'] for row in rows.values()))


def outcome(name: str, rows: dict[str, dict]) -> dict:
    """What is known of a stack, of steps that were not tried yet too, which are not ok."""
    return dict(
        name=name,
        date=date.today().isoformat(),
        python=platform.python_version(),
        system=f'{platform.system()} {platform.machine()}, {os.cpu_count()} cores',
        versions=versions() | installed(ALSO),
        steps=[rows.get(step.name, NOT_RUN | dict(step=step.name)) for step in STEPS],
    )


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
