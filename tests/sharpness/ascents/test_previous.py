"""The gradient of the last step, by hand."""

import pytest
import torch
from torch import nn

from mmrobustprune.sharpness import SAM, two_pass_step


def test_three_steps_by_hand():
    """loss = w^2 / 2, so g(w) = w; lr 0.5 and rho 0.25."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    seen = []

    def closure():
        seen.append(model.weight.item())
        return model(torch.ones(1, 1)).square().sum() / 2

    losses = [
        two_pass_step(model, optimizer, SAM(rho=0.25), closure, 'previous').item() for _ in range(3)
    ]
    # nothing to go by: g(1) = 1, w = 0.5; then e = 0.25, g(0.75), w = 0.125; then at 0.375
    assert seen == [1.0, 0.75, 0.375]
    assert losses == [0.5, 0.75**2 / 2, 0.375**2 / 2]  # where the pass was made
    assert model.weight.item() == pytest.approx(0.125 - 0.5 * 0.375)
    assert optimizer.state[model.weight]['previous_gradient'].item() == 0.375


def test_the_last_gradient_is_the_one_that_the_optimizer_took():
    """A gradient that is changed before the step, by clipping for instance, is what is kept."""
    model = nn.Linear(2, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def clip(optimizer, args, kwargs):
        nn.utils.clip_grad_value_(model.parameters(), 1.0)

    optimizer.register_step_pre_hook(clip)
    x = torch.tensor([[0.5, 3.0]])
    two_pass_step(model, optimizer, SAM(), lambda: model(x).sum(), 'previous')
    kept = optimizer.state[model.weight]['previous_gradient']
    assert kept.tolist() == [[0.5, 1.0]]
    assert kept.data_ptr() != model.weight.grad.data_ptr()


@pytest.mark.parametrize('foreach', [False, True])
def test_an_optimizer_may_change_the_gradient_in_its_step(foreach):
    """With foreach, which a GPU has by default, Nesterov's momentum is added into it."""
    model = nn.Linear(2, 1, bias=False)
    fields = dict(lr=0.1, momentum=0.9, nesterov=True, foreach=foreach)
    optimizer = torch.optim.SGD(model.parameters(), **fields)
    for x in ([[0.5, 3.0]], [[2.0, -1.0]]):
        x = torch.tensor(x)
        two_pass_step(model, optimizer, SAM(), lambda x=x: model(x).sum(), 'previous')
        kept = optimizer.state[model.weight]['previous_gradient']
        assert torch.equal(kept, x)
