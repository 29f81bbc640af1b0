"""A share of the weights and the samples whose loss rises most, by hand."""

import pytest
import torch
from torch import nn

from mmrobustprune.sharpness import S2AP, SAM, two_pass_step
from mmrobustprune.sharpness.ascents import Shares
from mmrobustprune.sharpness.ascents.shares import chosen


def test_a_step_by_hand():
    """loss_i = (w x_i)^2 / 2, so it rises most where x_i^2 is largest."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    x = torch.tensor([[3.0], [0.0], [1.0], [2.0]])
    seen = []

    def closure(take=lambda samples: samples):
        seen.append((model.weight.item(), take(x).flatten().tolist(), torch.is_grad_enabled()))
        return model(take(x)).square()[:, 0] / 2

    optimizer = torch.optim.SGD(model.parameters(), 0.125)
    ascent = Shares(weights=1 - 1e-9, samples=0.5)  # surely all of the one weight
    loss = two_pass_step(model, optimizer, SAM(rho=0.25), closure, ascent)
    everyone = [3.0, 0.0, 1.0, 2.0]
    assert seen == [(1.0, everyone, True), (1.25, everyone, False), (1.25, [3.0, 2.0], True)]
    assert loss.item() == (9 + 1 + 4) / 8
    assert model.weight.item() == pytest.approx(1 - 0.125 * 1.25 * (9 + 4) / 2)


def test_as_many_weights_move_as_was_said_others_in_every_step():
    model = nn.Linear(100, 100, bias=False)
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    moved = []

    def closure(take=lambda samples: samples):
        moved.append(model.weight.detach().clone())
        return model(take(torch.ones(4, 100))).sum(1)

    state = torch.get_rng_state()
    ascent = dict(type='part', weights=0.25)
    for _ in range(2):
        two_pass_step(model, optimizer, SAM(rho=1.0), closure, ascent)
    assert torch.equal(torch.get_rng_state(), state)
    first, second = moved[1], moved[4]
    for offset in (first, second):
        assert offset.count_nonzero() / 10_000 == pytest.approx(0.25, abs=0.02)
        assert torch.allclose(offset[offset != 0], torch.tensor(0.01 / 0.25))  # e / weights
    assert not torch.equal(first, second)


def test_the_offset_that_a_rule_carries_is_whole():
    model = nn.Linear(50, 2, bias=False)
    x = torch.randn(4, 50, generator=torch.Generator().manual_seed(0))
    rule = S2AP(gamma=0.1, carry=True, params=['weight'])

    def closure(take=lambda samples: samples):
        return model(take(x)).square().sum(1)

    length = model.weight.detach().norm()
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    two_pass_step(model, optimizer, rule, closure, dict(type='part', weights=0.25))
    z = rule.state_dict()['z']['weight']
    assert z.count_nonzero() == 100 and z.norm() == pytest.approx(0.1 * length.item())


def test_one_number_for_all_samples_is_refused():
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(
        ValueError, match=r"return a vector, as cross_entropy\(..., reduction='none"
    ):
        two_pass_step(
            model, optimizer, SAM(), lambda take=None: model(torch.ones(2, 1)).sum(), 'part'
        )
    with pytest.raises(ValueError, match=r'samples=0.0 is not in \(0, 1\)'):
        Shares(samples=0.0)


def test_samples_are_chosen_from_tensors_and_lists():
    index = torch.tensor([2, 0])
    assert chosen(index, torch.arange(4) * 10).tolist() == [20, 0]
    assert chosen(index, list('abcd')) == ['c', 'a']
