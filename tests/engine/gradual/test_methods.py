"""Every method of another paper: killed in every phase, certified, on two processes."""

import json

import pytest
import torch

pytest.importorskip('mmengine')

from mmrobustprune.recipes.methods import METHODS
from tests.support.pair import PATIENCE, ends, equal, train_pair
from tests.support.small import small, trained_weights

HALF = dict(target=0.5, budget='channels')
ASKED = dict(  # what fits each method into 24 iterations, and the iterations it is killed after
    l1norm=(dict(rates=dict(conv1=0.5, last=0.3)), (3,)),
    hrank=(dict(HALF, coupled=True, turns=3, length='12 iters'), (2, 6, 14)),
    eagleeye=(dict(HALF, candidates=3), (3,)),
    sfp=(dict(HALF), (3, 9, 20)),
    soft_fpgm=(dict(HALF, soft='12 iters', every='4 iters'), (6, 15)),
    smooth_sfp=(dict(HALF, soft='12 iters', every='4 iters'), (6,)),
    rap_admm=(dict(HALF, soft='12 iters', every='4 iters', rho=0.1), (3, 6, 10, 15)),
    slimming=(dict(HALF, strength=0.01), (5, 15)),
    polarisation=(dict(HALF, strength=0.01), (5, 15)),
    greg1=(dict(HALF, coupled=True, delta=0.1), (3, 8, 15)),
    greg2=(dict(HALF, coupled=True, delta=0.1, separate_delta=1e-3), (1, 6, 11, 15)),
    obd=(dict(HALF, warmup='4 iters', rounds=2, interval=4), (2, 9, 15)),
    group_hessian=(dict(HALF, warmup='4 iters', rounds=2, interval=4), (9,)),
    dfpc=(dict(HALF, rounds=3), (3,)),
)


def trained(folder, name, resume=None):
    return trained_weights(small(folder / 'end', recipe=name, **ASKED[name][0]), resume)


def test_every_method_in_rounds_is_tried():
    """Those under a latency have a file of their own."""
    gradual = [
        name
        for name, kind in METHODS.items()
        if kind.hook == 'mmrobustprune.PrunePhaseHook' and 'latency' not in kind.budgets
    ]
    assert list(ASKED) == gradual


@pytest.mark.slow
@pytest.mark.parametrize('name', ASKED)
def test_a_run_killed_in_any_phase_ends_with_the_same_network(tmp_path, name):
    expected = trained(tmp_path, name)
    rounds = json.loads((tmp_path / 'end' / 'rounds.json').read_text())
    assert rounds[-1]['surgery_error'] < 1e-10
    if 'target' in ASKED[name][0]:
        assert rounds[-1]['removed']['channels'] == 0.5
    for iteration in ASKED[name][1]:
        found = trained(tmp_path, name, iteration)
        assert found.keys() == expected.keys()
        for key in expected:
            assert torch.equal(found[key], expected[key]), (iteration, key)


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE)
@pytest.mark.parametrize('name', ASKED)
def test_two_processes_stay_equal(tmp_path, name):
    config = small(tmp_path, epochs=6, batch=4, save=18, recipe=name, **ASKED[name][0])
    config.custom_hooks = [dict(type='ReplicasEqual')]
    assert train_pair(config) == [0, 0]
    left, right = ends(tmp_path)
    assert equal(left['parameters'], right['parameters'])
    assert len(left['parameters']['last.weight']) < 10 or name == 'l1norm'
