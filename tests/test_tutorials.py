"""Every tutorial is followed to the letter, with fewer epochs and images.

A Python block whose first line names a file is written to it; shell blocks are run, one after the
other, in one folder.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmrobustprune.engine.bridge.config import find_config

ROOT = Path(__file__).parent.parent
TUTORIALS = ROOT / 'docs' / 'tutorials'
BLOCK = re.compile(r'^```(python|bash)\n(.*?)^```$', re.M | re.S)
FEWER = {  # what stands in the page -> what is run here
    'max_epochs = 20': 'max_epochs = 2',
    'epoch_20.pth': 'epoch_2.pth',
    'max_epochs=10': 'max_epochs=2',
    'T_max=10, end=10': 'T_max=2, end=2',
    'epoch_10.pth': 'epoch_2.pth',
    'max_epochs=30': 'max_epochs=4',
    "pretrain='20 epochs', search='5 epochs'": "pretrain='1 epochs', search='1 epochs'",
    'num_workers=2': 'num_workers=0, persistent_workers=False',
    '--corruptions fog motion_blur ': '',
    '--severities 3': '--severities 3 --corruptions fog',
    'mmrobustprune latency': 'mmrobustprune latency --repeats 3',
    '--attack fgsm pgd': '--attack fgsm',
}


def follow(page: str, folder: Path) -> None:
    text = (TUTORIALS / f'{page}.md').read_text()
    for stated, run in FEWER.items():
        text = text.replace(stated, run)
    for language, code in BLOCK.findall(text):
        if language == 'python':
            (folder / code.splitlines()[0].removeprefix('# ')).write_text(code)
        else:
            call(code, folder)


def call(code: str, folder: Path) -> None:
    commands = folder / 'bin'
    if not commands.exists():
        commands.mkdir()
        for name, words in (('mmrobustprune', '-m mmrobustprune.console'), ('python', '')):
            (commands / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
            (commands / name).chmod(0o755)
    environment = dict(
        os.environ, PYTHONPATH=str(ROOT), PATH=f'{commands}:/usr/bin:/bin', OMP_NUM_THREADS='1'
    )
    done = subprocess.run(
        ['bash', '-euc', code], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f'{code}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}'


def write_folders(root: Path, side: int = 64) -> None:
    """Two classes that differ in their brightness."""
    draw = np.random.default_rng(0)
    for split, count in (('train', 8), ('test', 4)):
        for name, low in (('cat', 0), ('dog', 100)):
            (root / split / name).mkdir(parents=True)
            for index in range(count):
                image = draw.integers(low, low + 156, (side, side, 3), np.uint8)
                cv2.imwrite(str(root / split / name / f'{index}.jpg'), image)


@pytest.mark.slow
def test_prune_your_own_detector(tmp_path):
    from mmrobustprune.datasets.scenes import CLASSES
    from mmrobustprune.datasets.shapes import write_shapes

    assert f'classes={CLASSES!r}' in (TUTORIALS / 'detector.md').read_text()
    write_shapes(tmp_path / 'data' / 'mine', train=8, test=4, size=128)
    follow('detector', tmp_path)
    assert (tmp_path / 'half' / 'pruned.pth').is_file()
    assert 'half' in (tmp_path / 'corrupted' / 'report' / 'index.html').read_text()


@pytest.mark.slow
def test_evaluate_any_detector(tmp_path):
    """With random weights, of which some find nothing."""
    from mmdet.apis import init_detector

    from mmrobustprune.datasets.shapes import write_shapes

    write_shapes(tmp_path / 'data' / 'mine', train=1, test=3, size=128)
    config = 'mmdet::yolox/yolox_tiny_8xb8-300e_coco.py'
    for seed, name in enumerate(('my_yolox', 'my_other')):
        torch.manual_seed(seed)
        options = {'model.bbox_head.num_classes': 5}
        model = init_detector(find_config(config), device='cpu', cfg_options=options)
        torch.save(dict(state_dict=model.state_dict()), tmp_path / f'{name}.pth')
    follow('evaluate', tmp_path)
    cells = json.loads((tmp_path / 'whole' / 'results.json').read_text())['cells']
    assert [cell['corruption'] for cell in cells] == ['fog']
    assert 'second' in (tmp_path / 'both' / 'report' / 'index.html').read_text()


@pytest.fixture(scope='module')
def classifier(tmp_path_factory):
    """The folder in which the classifier's tutorial was followed."""
    from mmpretrain.models import build_backbone

    folder = tmp_path_factory.mktemp('classifier')
    write_folders(folder / 'data' / 'pets')
    backbone = build_backbone(dict(type='MobileNetV2', widen_factor=1.0))
    weights = {f'backbone.{key}': value for key, value in backbone.state_dict().items()}
    torch.save(dict(state_dict=weights), folder / 'mobilenet_v2.pth')
    follow('classifier', folder)
    return folder


@pytest.mark.slow
def test_prune_a_pretrained_classifier(classifier):
    assert (classifier / 'small' / 'pruned.pth').is_file()
    assert (classifier / 'page' / 'index.html').is_file()
    assert not (classifier / 'once').exists()


@pytest.mark.slow
def test_deploy(classifier):
    follow('deploy', classifier)
    assert (classifier / 'exported' / 'model.onnx').is_file()


@pytest.mark.slow
def test_find_a_mask(tmp_path):
    write_folders(tmp_path / 'data' / 'pets', side=32)
    follow('masks', tmp_path)
    assert (tmp_path / 'robust' / 'sparsity.json').is_file()
    assert (tmp_path / 'attacked' / 'attacks.json').is_file()
