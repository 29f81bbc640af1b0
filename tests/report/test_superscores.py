"""From sweeps to superscores, bars and ranks."""

import json

import pytest

from mmrobustprune.report.superscores import read_sweep, write_superscores

KEY = 'pgd@8/255'


def side(clean, robust, macs=100, subset=None):
    attack = dict(attack='pgd', eps=8 / 255, space='pixel', accuracy=robust)
    attack |= dict(subset=subset) if subset else {}
    return dict(clean=clean, attacks=[attack], cost=dict(plain=dict(params=1, macs=macs)))


def sweep(folder, rows, net='resnet56', held=True, **options):
    """Rows of (epoch, clean and robust on test images, on held-out ones, MACs)."""
    folder.mkdir(parents=True)
    checkpoints = []
    for epoch, test, val, macs in rows:
        row = dict(epoch=epoch, checkpoint='', test=side(*test, macs, **options))
        checkpoints.append(row | (dict(val=side(*val, macs, **options)) if held else {}))
    config = f'configs/{net}_1xb64-x_cifar10.py'
    (folder / 'sweep.json').write_text(json.dumps(dict(config=config, checkpoints=checkpoints)))
    return folder


OURS = (
    (1, (0.99, 0.99), (0.99, 0.99), 200),  # not of its final size yet
    (2, (0.90, 0.40), (0.80, 0.50), 100),
    (3, (0.92, 0.30), (0.70, 0.20), 100),
)


def test_checkpoints_of_the_final_size_alone(tmp_path):
    run = read_sweep(f'ours={sweep(tmp_path / "a", OURS)}')
    assert (run.network, run.method, run.macs, run.left) == ('resnet56', 'ours', 100, 1)
    assert [one.epoch for one in run.checkpoints] == [2, 3]
    assert run.checkpoints[0].test == {'benign': 90.0, KEY: 40.0}
    assert run.checkpoints[1].val == {'benign': 70.0, KEY: 20.0}


def test_what_is_written(tmp_path):
    words = [f'ours={sweep(tmp_path / "a", OURS)}']
    theirs = ((5, (0.91, 0.35), (0.9, 0.3), 100), (6, (0.91, 0.45), (0.9, 0.1), 100))
    words.append(f'theirs={sweep(tmp_path / "b", theirs)}')
    text = write_superscores(words, tmp_path / 'out').read_text()
    for line in (
        '| ours | **92.00** | 40.00 |',  # the oracle's, of two checkpoints
        '| theirs | 91.00 | **45.00** |',
        '| ours | 90.00 | **40.00** |',  # by held-out images
        '| ours, epoch 3, best benign | 92.00 | 30.00 |',
        '- ours: 2 checkpoints of 100 MACs, 1 larger ones left out',
        '| ours | **1.50** |',  # ranks: first in one, second in the other
    ):
        assert line in text, (line, text)
    assert 'oracle' in text and 'fair' not in text
    data = json.loads((tmp_path / 'out' / 'superscores.json').read_text())
    assert data['ranks']['overall'] == {'ours': 1.5, 'theirs': 1.5}
    drawn = {file.name for file in (tmp_path / 'out').glob('*.png')}
    assert drawn == {'resnet56.png', 'resnet56-held-out.png', 'ranks.png'}


def test_what_is_not_alike_is_said(tmp_path):
    words = [f'ours={sweep(tmp_path / "a", OURS, held=False)}']
    words.append(f'big={sweep(tmp_path / "b", [(4, (0.9, 0.3), None, 130)], held=False)}')
    text = write_superscores(words, tmp_path / 'out', ['big']).read_text()
    assert 'a method with more checkpoints' in text and 'the networks differ in MACs' in text
    assert 'Not ranked, as asked: big.' in text and 'held-out' not in text


def test_wrong_input_is_one_sentence(tmp_path):
    ours = sweep(tmp_path / 'a', OURS)
    part = dict(size=5, of=10, pick='first')
    other = sweep(tmp_path / 'b', OURS, subset=part)
    for words, said in (
        ([tmp_path / 'none'], 'sweep.json is not there; give the work dir'),
        ([f'x={ours}', f'y={other}'], r'x and y of resnet56 were attacked differently \(.*5 of 10'),
        ([f'x={ours}', f'x={ours}'], 'x of resnet56 is given twice'),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=said):
            write_superscores(words, tmp_path / 'out')
