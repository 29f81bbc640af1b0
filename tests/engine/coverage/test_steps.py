"""Every step on a network that takes no time."""

import pytest

from mmrobustprune.engine.coverage.steps import STEPS, chosen, trial_of
from mmrobustprune.engine.coverage.zoo import Case

LENET = Case('mmpretrain::lenet/lenet5_mnist.py', 32)


def test_steps_by_name():
    assert chosen(None) == list(STEPS)
    assert chosen('prune,trace') == ['trace', 'prune']
    with pytest.raises(ValueError, match="unknown step 'prun'.*did you mean 'prune'"):
        chosen('prun')


def test_all_steps_of_lenet():
    with trial_of(LENET) as trial:
        share = STEPS['trace'](trial)
        assert share['parameters'] == 61706 and share['groups'] == 4 and share['macs'] == 1
        left = STEPS['prune'](trial)
        assert 0.68 <= left['macs'] <= 0.7 and left['params'] < 1
        STEPS['train'](trial)
        loaded = STEPS['load'](trial)
        assert loaded['params'] <= 0.7
        assert STEPS['onnx'](trial)['difference'] < 1e-5
        other = STEPS['peer'](trial)
        assert 0.6 <= other['macs'] <= 0.8
        folder = trial.folder
        assert folder.is_dir()
        (folder / 'pruned.pth').unlink()
        with pytest.raises(ValueError, match='the training left no pruned.pth'):
            STEPS['load'](trial)
    assert not folder.exists()
