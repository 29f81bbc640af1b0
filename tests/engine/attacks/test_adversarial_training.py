"""Whole adversarial trainings: on two processes, killed and resumed."""

import json

import pytest
import torch
from mmengine.registry import RUNNERS

from tests.support.adversarial import adversarial
from tests.support.pair import ends, equal, train_pair


def metrics(folder):
    return [json.loads(path.read_text()) for path in sorted(folder.glob('metrics*.json'))]


@pytest.mark.slow
def test_two_processes_hold_one_network_and_share_the_attack_of_validation(tmp_path):
    """Each rank attacks its own images; in validation 7 are 4 of one rank and 3 of the other."""
    options = dict(validation=dict(images=7, eps=0.1, step=0.05))
    config = adversarial(tmp_path / 'pair', hooks=[dict(type='ReplicasEqual')], **options)
    config.optim_wrapper.update(
        type='mmrobustprune.SAMOptimWrapper', rule=dict(type='SAM', rho=0.05)
    )
    assert train_pair(config) == [0, 0]
    first, second = ends(tmp_path / 'pair')
    assert equal(first['parameters'], second['parameters'])
    found = metrics(tmp_path / 'pair')
    assert len(found) == 2 and found[0] == found[1]
    alone = RUNNERS.build(
        adversarial(tmp_path / 'alone', load_from=str(tmp_path / 'pair' / 'epoch_1.pth'), **options)
    )
    alone.load_or_resume()
    assert alone.val_loop.run() == found[0]


def test_a_resumed_training_ends_with_the_same_bits(tmp_path):
    every = dict(default_hooks=dict(checkpoint=dict(interval=1, by_epoch=False)))
    whole = RUNNERS.build(adversarial(tmp_path / 'whole', **every))
    whole.train()
    again = RUNNERS.build(
        adversarial(
            tmp_path / 'again',
            load_from=str(tmp_path / 'whole' / 'iter_3.pth'),
            resume=True,
            **every,
        )
    )
    again.train()
    assert all(
        torch.equal(value, again.model.state_dict()[name])
        for name, value in whole.model.state_dict().items()
    )
    assert metrics(tmp_path / 'whole') == metrics(tmp_path / 'again')
