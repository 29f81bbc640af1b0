"""tools/analyze.py."""

import json

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('mmpretrain')
from mmengine.config import Config

from mmrobustprune.datasets.imagenet_v2 import FOLDERS
from mmrobustprune.engine.robustness import natural_shift
from mmrobustprune.engine.robustness.natural_shift import imagenet_v2
from mmrobustprune.mask_search import save_masks
from tests.support.tools import run_tool


def run(monkeypatch, *words):
    """The exit code of the tool in this process."""
    return run_tool(monkeypatch, 'analyze', *words)


@pytest.mark.parametrize('space', ['normalised', 'pixel'])
def test_everything_high_or_low_is_the_whole_picture(monkeypatch, capsys, small, tmp_path, space):
    words = ['--theta', 0, 0.5, 1.5, '--space', space, '--work-dir', tmp_path]
    assert run(monkeypatch, 'frequency', *small, *words) == 0
    assert 'frequency.json' in capsys.readouterr().out
    results = json.loads((tmp_path / 'frequency.json').read_text())
    found = {(one['part'], one['theta']): one['accuracy'] for one in results['bands']}
    assert len(found) == 6 and found['high', 0] == found['low', 1.5] == results['clean']
    assert all(
        one['space'] == space and one['images'] == 20 and one['subset']['of'] == 20
        for one in results['bands']
    )


@pytest.mark.parametrize(
    'words, sentence',
    [
        (['--part', 'middle'], "part='middle'"),
        (['--space', 'lab'], "space='lab'"),
        (['--theta', '-1'], 'theta=-1'),
    ],
)
def test_errors_are_one_sentence_and_exit_code_two(
    monkeypatch, capsys, small, tmp_path, words, sentence
):
    assert run(monkeypatch, 'frequency', *small, *words, '--work-dir', tmp_path) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('analyze: ') and sentence in error


@pytest.mark.slow
def test_natural_shift_is_measured_on_every_variant_and_kept(monkeypatch, capsys, small, tmp_path):
    config, checkpoint = small
    classes = {path.parent.name for path in (config.parent / 'data').rglob('*.png')}
    rng = np.random.default_rng(0)
    for folder in FOLDERS.values():
        for number in range(len(classes)):
            (tmp_path / 'v2' / folder / str(number)).mkdir(parents=True)
            picture = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / 'v2' / folder / str(number) / 'a.png'), picture)
    read = Config.fromfile(config)
    names = tuple(sorted(classes))
    results = imagenet_v2(
        read, checkpoint, tmp_path / 'w', tmp_path / 'v2', metainfo=dict(classes=names)
    )
    assert set(results['variants']) == set(FOLDERS)
    assert all(
        results['R_V2'][name] == value / results['clean']
        for name, value in results['variants'].items()
    )
    assert all(
        value * len(classes) / 100 == pytest.approx(round(value * len(classes) / 100))
        for value in results['variants'].values()
    )
    again = imagenet_v2(
        read, checkpoint, tmp_path / 'w', tmp_path / 'v2', metainfo=dict(classes=names)
    )  # kept, not measured
    assert again == results
    tested = []
    stock = natural_shift.RebuildRunner.test
    monkeypatch.setattr(
        natural_shift.RebuildRunner, 'test', lambda runner: tested.append(1) or stock(runner)
    )
    imagenet_v2(read, checkpoint, tmp_path / 'w', tmp_path / 'v2', metainfo=dict(classes=names))
    assert not tested
    cv2.imwrite(str(tmp_path / 'v2' / FOLDERS['top-images'] / '0' / 'b.png'), picture)
    imagenet_v2(read, checkpoint, tmp_path / 'w', tmp_path / 'v2', metainfo=dict(classes=names))
    assert len(tested) == 1  # the data of one number changed
    with pytest.raises(
        ValueError, match="unknown variant of ImageNet-V2 'matched-freqency'"
    ):  # before anything is evaluated
        imagenet_v2(read, checkpoint, tmp_path / 'y', tmp_path / 'v2', ['matched-freqency'])
    weights = torch.load(checkpoint, weights_only=True)['state_dict']
    weights = {
        name: value + 1 if value.is_floating_point() else value for name, value in weights.items()
    }
    torch.save(weights, tmp_path / 'bare.pth')
    with pytest.raises(
        ValueError, match='another run'
    ):  # a file of weights alone is not the one before
        imagenet_v2(
            read,
            tmp_path / 'bare.pth',
            tmp_path / 'w',
            tmp_path / 'v2',
            metainfo=dict(classes=names),
        )
    assert (
        run(
            monkeypatch,
            'imagenet-v2',
            config,
            checkpoint,
            '--data-root',
            tmp_path / 'none',
            '--work-dir',
            tmp_path / 'x',
        )
        == 2
    )
    assert 'analyze: ' in capsys.readouterr().err.splitlines()[-1]


def test_sharpness_of_a_checkpoint_on_test_pictures(monkeypatch, capsys, small, tmp_path):
    words = [
        '--split',
        'test',
        '--iterations',
        3,
        '--steps',
        2,
        '--rho',
        0,
        0.01,
        '--loss',
        'TRADES,steps=1',
        '--batch-size',
        10,
    ]
    assert run(monkeypatch, 'sharpness', *small, *words, '--work-dir', tmp_path) == 0
    assert 'weights' in capsys.readouterr().out
    results = json.loads((tmp_path / 'sharpness.json').read_text())
    found = results['spaces']['weights']
    assert (
        list(results['spaces']) == ['weights']
        and results['images'] == 20
        and results['loss']['type'] == 'TRADES'
    )
    assert (
        found['residual'] >= 0
        and found['loss_difference'][0]['value'] == 0 < found['loss_difference'][1]['value']
    )
    assert (tmp_path / 'loss_difference.png').is_file() and len(
        list((tmp_path / 'chunks').glob('weights-*.json'))
    ) == 2


@pytest.mark.parametrize(
    'words, sentence',
    [
        (['--split', 'val'], "split='val'"),
        ([], 'the config has no train_dataloader'),
        (['--split', 'test', '--loss', 'PGDAT,eps=8'], 'eps=8'),
        (['--split', 'test', '--loss', 'Hinge'], "unknown robust loss 'Hinge'"),
        (['--split', 'test', '--rho', '-1'], 'rho=[-1.0]'),
        (['--split', 'test', '--subset', '21'], 'a subset of 21 images'),
        (['--split', 'test', '--iterations', '0'], 'iterations=0'),
    ],
)
def test_wrong_sharpness_is_one_sentence(monkeypatch, capsys, small, tmp_path, words, sentence):
    assert run(monkeypatch, 'sharpness', *small, *words, '--work-dir', tmp_path) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('analyze: ') and sentence in error


@pytest.fixture
def masks(tmp_path):
    """Two pruned checkpoints of two layers, 4 and 2 weights; the first layers differ."""
    rows = dict(a=torch.tensor([[1.0, 0.0], [0.0, 2.0]]), b=torch.tensor([[3.0, 0.0]]))
    other = dict(rows, a=torch.tensor([[0.0, 1.0], [0.0, 2.0]]))
    for name, weights in (('one', rows), ('two', other)):
        torch.save(
            dict(state_dict={f'{layer}.weight': value for layer, value in weights.items()}),
            tmp_path / f'{name}.pth',
        )
    save_masks(tmp_path / 'two.npz', dict(a=other['a'] != 0, b=other['b'] != 0))
    return tmp_path


def test_masks_are_compared_with_the_first(monkeypatch, capsys, masks):
    words = [
        masks / 'one.pth',
        f'again={masks / "two.pth"}',
        masks / 'two.npz',
        '--work-dir',
        masks / 'out',
    ]
    assert run(monkeypatch, 'stability', *words) == 0
    assert 'distance to one' in capsys.readouterr().out
    results = json.loads((masks / 'out' / 'stability.json').read_text())
    assert [row['name'] for row in results['masks']] == ['one', 'again', 'two']
    for row in results['masks'][1:]:
        assert (
            row['hamming'] == pytest.approx(2 / 6)
            and row['layers'] == dict(a=0.5, b=0)
            and row['resized'] == 0
        )
        assert row['removed'] == 0.5
    assert (masks / 'out' / 'stability.png').is_file()


@pytest.mark.parametrize(
    'words, sentence',
    [
        (['one.pth'], '1 mask was given'),
        (['one.pth', 'none.pth'], 'none.pth'),
        (['one.pth', 'one=two.pth'], "'one' is given twice"),
        (['run/search.json', 'one.pth'], 'search.json is not there'),
        (['run', 'empty'], 'holds no measured epoch'),
    ],
)
def test_wrong_masks_are_one_sentence(monkeypatch, capsys, masks, words, sentence):
    (masks / 'empty').mkdir()
    (masks / 'empty' / 'search.json').write_text('{"records": []}')
    (masks / 'run').mkdir()
    if words[0] == 'run':
        (masks / 'run' / 'search.json').write_text(
            '{"records": [{"epoch": 1, "hamming_first": 0.1}]}'
        )
    monkeypatch.chdir(masks)
    assert run(monkeypatch, 'stability', *words, '--work-dir', masks / 'out') == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('analyze: ') and sentence in error
