"""The gradient of this batch; its steps by hand are in tests/sharpness/test_step.py."""

import torch
from torch import nn

from mmrobustprune.sharpness import SAM, two_pass_step


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
