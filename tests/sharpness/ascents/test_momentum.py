"""The optimizer's momentum, by hand."""

import pytest
import torch
from torch import nn

from mmrobustprune.sharpness import SAM, two_pass_step
from mmrobustprune.sharpness.ascents import Momentum


def trained(optimizer_of, steps):
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    optimizer = optimizer_of(model.parameters())
    seen = []

    def closure():
        seen.append(model.weight.item())
        return model(torch.ones(1, 1)).square().sum() / 2

    for _ in range(steps):
        two_pass_step(model, optimizer, SAM(rho=0.25), closure, 'momentum')
    return seen, model.weight.item(), optimizer


def test_three_steps_by_hand():
    """loss = w^2 / 2, so g(w) = w; lr 0.25, momentum 0.5, rho 0.25, against the momentum."""
    seen, weight, optimizer = trained(lambda p: torch.optim.SGD(p, 0.25, momentum=0.5), 3)
    # g(1) = 1, v = 1, w = 0.75; e = -0.25: g(0.5) = 0.5, v = 1, w = 0.5; g(0.25), v = 0.75
    assert seen == [1.0, 0.5, 0.25]
    assert weight == pytest.approx(0.5 - 0.25 * 0.75)
    assert set(optimizer.state[optimizer.param_groups[0]['params'][0]]) == {'momentum_buffer'}


def test_adam_has_its_mean_of_gradients():
    seen, _, _ = trained(lambda p: torch.optim.Adam(p, 0.125), 2)
    assert seen == pytest.approx([1.0, 1 - 0.125 - 0.25])


@pytest.mark.parametrize(
    'make, name',
    [
        (lambda p: torch.optim.SGD(p, 0.1), 'SGD'),
        (lambda p: torch.optim.RMSprop(p, 0.1), 'RMSprop'),
        (lambda p: torch.optim.Adagrad(p, 0.1), 'Adagrad'),
    ],
)
def test_an_optimizer_without_momentum_is_refused(make, name):
    model = nn.Linear(1, 1)
    with pytest.raises(ValueError, match=f"{name} has none; set momentum=0.9, or take ascent='pre"):
        Momentum().check(make(model.parameters()), SAM())
    with pytest.raises(ValueError, match=name):
        trained(make, 1)


def test_a_momentum_under_another_name_is_noticed():
    class Hidden(torch.optim.SGD):
        """Keeps its momentum elsewhere."""

        def step(self, closure=None):
            super().step(closure)
            for state in self.state.values():
                state['mine'] = state.pop('momentum_buffer')

    with pytest.raises(ValueError, match='kept as momentum_buffer or exp_avg, and Hidden has none'):
        trained(lambda p: Hidden(p, 0.1, momentum=0.9), 2)
