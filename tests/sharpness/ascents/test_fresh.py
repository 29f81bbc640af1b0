"""The gradient of this batch; its steps by hand are in tests/sharpness/test_step.py."""

import torch
from torch import nn

from mmrobustprune.sharpness import S2AP, SAM, two_pass_step


def test_two_passes_a_step_the_first_at_w():
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    seen = []

    def closure():
        seen.append(model.weight.item())
        return model(torch.ones(1, 1)).sum()

    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    two_pass_step(model, optimizer, SAM(rho=0.25), closure)
    two_pass_step(model, optimizer, SAM(rho=0.25), closure, ascent='fresh')
    assert seen == [1.0, 1.25, 0.5, 0.75]


def test_inner_steps_climb_on_from_where_the_last_one_ended():
    """A loss w^4 / 4 with gradient w^3: z steps by 0.1, and the update is by the last gradient."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    seen = []

    def closure():
        seen.append(model.weight.item())
        return model(torch.ones(1, 1)).pow(4).sum() / 4

    rule = S2AP(gamma=0.25, bound='ball', step=0.1, inner_steps=3, params=['weight'])
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    loss = two_pass_step(model, optimizer, rule, closure)
    assert loss.item() == 0.25
    torch.testing.assert_close(torch.tensor(seen), torch.tensor([1.0, 1.1, 1.2, 1.25]))
    assert abs(model.weight.item() - (1 - 0.5 * 1.25**3)) < 1e-6
