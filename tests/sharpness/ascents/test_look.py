"""Looking at every k-th step, by hand."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmrobustprune.sharpness import SAM, two_pass_step
from mmrobustprune.sharpness.ascents import Look, Step
from mmrobustprune.sharpness.ascents.look import add, beside

CURVES = torch.tensor([1.0, 4.0])


def trained(steps, rho=0.5, **fields):
    """loss = (x^2 + 4 y^2) / 2 from (4, 3), so g = (x, 4 y); lr 0.125."""
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[4.0, 3.0]]))
    optimizer = torch.optim.SGD(model.parameters(), 0.125)
    seen = []

    def closure():
        seen.append(model.weight.detach().clone())
        return (CURVES * model.weight.square()).sum() / 2

    for _ in range(steps):
        two_pass_step(model, optimizer, SAM(rho=rho), closure, dict(type='look', **fields))
    return seen, model.weight.detach(), optimizer.state[model.weight]


def test_two_steps_by_hand():
    seen, weight, state = trained(2, k=2, alpha=0.5)
    g = CURVES * torch.tensor([[4.0, 3.0]])
    norm = g.norm()
    sharp = CURVES * (torch.tensor([[4.0, 3.0]]) + 0.5 * g / norm)
    v = sharp - (sharp * g).sum() / norm**2 * g
    after = torch.tensor([[4.0, 3.0]]) - 0.125 * sharp
    second = CURVES * after
    assert len(seen) == 3  # two passes, then one, at w
    torch.testing.assert_close(seen[2], after)
    torch.testing.assert_close(state['flat_part'], v / v.norm())
    used = second + 0.5 * second.norm() * v / v.norm()
    torch.testing.assert_close(weight, after - 0.125 * used)
    assert state['flat_part_left'] == 0  # the next step looks


@pytest.mark.parametrize('k, passes', [(1, 12), (2, 9), (5, 8)])
def test_every_kth_step_looks(k, passes):
    assert len(trained(6, k=k)[0]) == passes


def test_ranks_average_as_many_gradients_whatever_each_has_used(monkeypatch):
    """The second layer has no gradient of this rank, and one of all ranks together."""
    averaged = []
    monkeypatch.setattr(
        torch.distributed, 'all_reduce', lambda g, group: averaged.append(g.numel())
    )
    pair = SimpleNamespace(size=lambda: 2)
    model = nn.ModuleList([nn.Linear(3, 1, bias=False), nn.Linear(2, 1, bias=False)])
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    passes = Look().passes(Step(model, optimizer, SAM(), group=pair))
    next(passes)
    model[0].weight.sum().backward()
    passes.send(torch.zeros(()))
    (model[0].weight.sum() + model[1].weight.sum()).backward()
    with pytest.raises(StopIteration):
        passes.send(torch.zeros(()))
    assert averaged == [3, 2]


def test_what_is_beside_the_plain_gradient_is_a_unit_vector():
    a, b = (nn.Parameter(torch.zeros(2)) for _ in range(2))
    plain = {a: torch.tensor([2.0, 0.0]), b: torch.tensor([0.0, 0.0])}
    sharp = {a: torch.tensor([5.0, 3.0]), b: torch.tensor([4.0, 0.0])}
    found = beside(plain, sharp)
    assert found[a].tolist() == pytest.approx([0.0, 0.6])
    assert found[b].tolist() == pytest.approx([0.8, 0.0])
    gradients = {a: torch.tensor([3.0, 0.0]), b: torch.tensor([0.0, 4.0])}
    add(gradients, found, 2.0)  # 2 ||g|| = 10
    assert gradients[a].tolist() == pytest.approx([3.0, 6.0])
    assert gradients[b].tolist() == pytest.approx([8.0, 4.0])


@pytest.mark.parametrize('factor', [1.0, 1 + 1e-7, float('inf'), float('nan')])
def test_where_nothing_is_beside_it_nothing_is_added(factor):
    p = nn.Parameter(torch.zeros(3))
    g = torch.tensor([1.0, -2.0, 3.0])
    assert beside({p: g}, {p: g * factor})[p].tolist() == [0.0] * 3
    assert beside({p: torch.zeros(3)}, {p: torch.zeros(3)})[p].tolist() == [0.0] * 3


@pytest.mark.parametrize('fields, words', [(dict(k=0), 'k=0 is no'), (dict(alpha=-1), 'alpha=-1')])
def test_fields_out_of_range_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        Look(**fields)
