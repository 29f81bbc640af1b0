"""A pruned checkpoint in the hands of stock tools, each in a process without our imports."""

import os
import pickle
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS

from tests.support.tiny import classifier, detector

ROOT = Path(__file__).parents[3]
RECIPE = dict(recipe='adasap', target=0.5, warmup='1 epochs', rounds=2, interval=2)


def fresh(code_or_script, *args):
    """Run python without our tests' imports; its standard output."""
    command = [
        sys.executable,
        *(['-c', code_or_script] if '\n' in code_or_script else [code_or_script]),
        *map(str, args),
    ]
    env = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def tool(package, name):
    import importlib

    return str(
        Path(importlib.import_module(package).__file__).parent / '.mim' / 'tools' / f'{name}.py'
    )


def trained(folder, config):
    """Train under the two-line config, as files on disk; gives the Runner."""
    config.dump(folder / 'base.py')
    (folder / 'user.py').write_text(
        "_base_ = 'base.py'\nrunner_type = 'mmrobustprune.PruneRunner'\n"
        f'robust_prune = {RECIPE!r}\n'
    )
    runner = RUNNERS.build(Config.fromfile(folder / 'user.py'))
    runner.train()
    runner.model.eval()
    return runner


@pytest.fixture(scope='module')
def detection(tmp_path_factory):
    folder = tmp_path_factory.mktemp('detection')
    return folder, trained(folder, detector(folder / 'work', folder / 'shapes'))


@pytest.fixture(scope='module')
def classification(tmp_path_factory):
    folder = tmp_path_factory.mktemp('classification')
    return folder, trained(folder, classifier(folder / 'work'))


def count(model):
    return sum(p.numel() for p in model.parameters())


def predictions(runner):
    """What the Runner's own network says of the test set, batch by batch."""
    with torch.no_grad():
        loader = runner.build_dataloader(runner._test_dataloader)
        return list(chain.from_iterable(runner.model.test_step(batch) for batch in loader))


@pytest.mark.slow
def test_mmdet_test_script_with_the_users_config(detection):
    folder, runner = detection
    fresh(
        tool('mmdet', 'test'),
        folder / 'user.py',
        folder / 'work' / 'epoch_3.pth',
        '--work-dir',
        folder / 'test',
        '--out',
        folder / 'out.pkl',
    )
    found = pickle.loads((folder / 'out.pkl').read_bytes())
    for expected, sample in zip(predictions(runner), found, strict=True):
        assert torch.equal(expected.pred_instances.scores, sample['pred_instances']['scores'])
        assert torch.equal(expected.pred_instances.bboxes, sample['pred_instances']['bboxes'])


@pytest.mark.slow
def test_mmdet_test_script_with_flips(detection):
    folder, _ = detection
    fresh(
        tool('mmdet', 'test'),
        folder / 'user.py',
        folder / 'work' / 'epoch_3.pth',
        '--work-dir',
        folder / 'tta',
        '--tta',
    )


@pytest.mark.slow
def test_init_detector_and_the_inferencer(detection):
    folder, runner = detection
    image = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    np.save(folder / 'image.npy', image)
    fresh(
        """
import sys, numpy as np, torch
from mmdet.apis import DetInferencer, inference_detector, init_detector
folder = sys.argv[1]
image = np.load(folder + '/image.npy')
model = init_detector(folder + '/work/pruned.py', folder + '/work/pruned.pth', device='cpu')
found = inference_detector(model, image).pred_instances
pair = DetInferencer(folder + '/work/pruned.py', folder + '/work/pruned.pth', device='cpu')
alone = DetInferencer(weights=folder + '/work/pruned.pth', device='cpu')
inputs = torch.ones(1, 3, 96, 96)
with torch.no_grad():
    raw = [one(inputs, mode='tensor') for one in (model, pair.model, alone.model)]
sizes = [sum(map(torch.numel, one.parameters())) for one in (model, pair.model, alone.model)]
torch.save(dict(raw=raw, counts=sizes, scores=found.scores), folder + '/found.pt')
""",
        folder,
    )
    found = torch.load(folder / 'found.pt')
    with torch.no_grad():
        expected = runner.model(torch.ones(1, 3, 96, 96), mode='tensor')
    for raw in found['raw']:
        for level, other in zip(expected[0] + expected[1], raw[0] + raw[1], strict=True):
            assert torch.equal(level, other)
    assert found['counts'] == [count(runner.model)] * 3


@pytest.mark.slow
def test_mmdet_train_script_fine_tunes_from_it(detection):
    folder, runner = detection
    fresh(
        tool('mmdet', 'train'),
        folder / 'work' / 'pruned.py',
        '--work-dir',
        folder / 'tuned',
        '--cfg-options',
        'train_cfg.max_epochs=1',
    )
    state = torch.load(folder / 'tuned' / 'epoch_1.pth', weights_only=False)['state_dict']
    assert sum(state[name].numel() for name, _ in runner.model.named_parameters()) == count(
        runner.model
    )


@pytest.mark.slow
@pytest.mark.parametrize('flags', [(), ('--tta',)], ids=['plain', 'tta'])
def test_mmpretrain_test_script_with_the_users_config(classification, flags):
    folder, runner = classification
    fresh(
        tool('mmpretrain', 'test'),
        folder / 'user.py',
        folder / 'work' / 'epoch_4.pth',
        '--work-dir',
        folder / 'test',
        '--out',
        folder / 'out.pkl',
        '--out-item',
        'pred',
        *flags,
    )
    found = pickle.loads((folder / 'out.pkl').read_bytes())
    if not flags:
        for expected, sample in zip(predictions(runner), found, strict=True):
            assert torch.equal(expected.pred_score, sample['pred_score'])


@pytest.mark.slow
def test_get_model_and_the_image_inferencer(classification):
    folder, runner = classification
    fresh(
        """
import sys, torch
from mmpretrain import ImageClassificationInferencer, get_model
folder = sys.argv[1]
model = get_model(folder + '/work/pruned.py', pretrained=folder + '/work/pruned.pth')
files = (folder + '/work/pruned.py', folder + '/work/pruned.pth')
other = ImageClassificationInferencer(*files, device='cpu').model
with torch.no_grad():
    raw = [m(torch.ones(2, 3, 16, 16), mode='tensor') for m in (model, other)]
sizes = [sum(map(torch.numel, one.parameters())) for one in (model, other)]
torch.save(dict(raw=raw, counts=sizes), folder + '/found.pt')
""",
        folder,
    )
    found = torch.load(folder / 'found.pt')
    with torch.no_grad():
        expected = runner.model(torch.ones(2, 3, 16, 16), mode='tensor')
    assert all(torch.equal(expected, raw) for raw in found['raw'])
    assert found['counts'] == [count(runner.model)] * 2
