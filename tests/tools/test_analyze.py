"""tools/analyze.py."""
import json

import cv2
import numpy as np
import pytest

pytest.importorskip('mmpretrain')
from mmengine.config import Config

from mmrobustprune.datasets.imagenet_v2 import FOLDERS
from mmrobustprune.engine import natural_shift
from mmrobustprune.engine.natural_shift import imagenet_v2
from tests.support.tools import run_tool


def run(monkeypatch, *words):
    """The exit code of the tool in this process."""
    return run_tool(monkeypatch, 'analyze', *words)


@pytest.mark.parametrize('space', ['normalised', 'pixel'])
def test_everything_high_or_low_is_the_whole_picture(monkeypatch, capsys, small, tmp_path, space):
    words = ['--theta', 0, .5, 1.5, '--space', space, '--work-dir', tmp_path]
    assert run(monkeypatch, 'frequency', *small, *words) == 0
    assert 'frequency.json' in capsys.readouterr().out
    results = json.loads((tmp_path / 'frequency.json').read_text())
    found = {(one['part'], one['theta']): one['accuracy'] for one in results['bands']}
    assert len(found) == 6 and found['high', 0] == found['low', 1.5] == results['clean']
    assert all(one['space'] == space and one['images'] == 20 and one['subset']['of'] == 20 for one in results['bands'])


@pytest.mark.parametrize('words, sentence', [
    (['--part', 'middle'], "part='middle'"), (['--space', 'lab'], "space='lab'"), (['--theta', '-1'], 'theta=-1')])
def test_errors_are_one_sentence_and_exit_code_two(monkeypatch, capsys, small, tmp_path, words, sentence):
    assert run(monkeypatch, 'frequency', *small, *words, '--work-dir', tmp_path) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('analyze: ') and sentence in error


def test_natural_shift_is_measured_on_every_variant_and_kept(monkeypatch, capsys, small, tmp_path):
    config, checkpoint = small
    classes = {path.parent.name for path in (config.parent / 'data').rglob('*.png')}
    rng = np.random.default_rng(0)
    for folder in FOLDERS.values():
        for number in range(len(classes)):
            (tmp_path / 'v2' / folder / str(number)).mkdir(parents=True)
            picture = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / 'v2' / folder / str(number) / 'a.png'), picture)
    read, names = Config.fromfile(config), tuple(sorted(classes))
    results = imagenet_v2(read, checkpoint, tmp_path / 'w', tmp_path / 'v2', metainfo=dict(classes=names))
    assert set(results['variants']) == set(FOLDERS)
    assert all(results['R_V2'][name] == value / results['clean'] for name, value in results['variants'].items())
    assert all(value * len(classes) / 100 == pytest.approx(round(value * len(classes) / 100)) for value in
               results['variants'].values())
    again = imagenet_v2(read, checkpoint, tmp_path / 'w', tmp_path / 'v2', metainfo=dict(classes=names))   # kept, not measured
    assert again == results
    monkeypatch.setattr(natural_shift, '_test', None)
    imagenet_v2(read, checkpoint, tmp_path / 'w', tmp_path / 'v2', metainfo=dict(classes=names))
    assert run(monkeypatch, 'imagenet-v2', config, checkpoint, '--data-root', tmp_path / 'none', '--work-dir', tmp_path / 'x') == 2
    assert 'analyze: ' in capsys.readouterr().err.splitlines()[-1]
