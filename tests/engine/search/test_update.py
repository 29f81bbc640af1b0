"""Steps along normalised gradients of the scores."""

import torch
from torch import nn

from mmrobustprune.engine.search.update import UPDATES


def test_the_step_has_the_length_of_the_learning_rate_over_all_scores():
    a, b, other = (nn.Parameter(torch.zeros(2)) for _ in range(3))
    optimizer = torch.optim.SGD([a, b, other], lr=0.5)
    UPDATES['normalised'](optimizer, [a, b])
    for _ in range(2):
        a.grad = torch.tensor([3.0, 0.0])
        b.grad = torch.tensor([0.0, 4.0])
        other.grad = torch.tensor([2.0, 0.0])
        optimizer.step()
    assert torch.allclose(a, torch.tensor([-0.6, 0.0]))
    assert torch.allclose(b, torch.tensor([0.0, -0.8])) and other.tolist() == [-2.0, 0.0]
    a.grad = torch.full((2,), torch.inf)  # no step rather than one of NaN
    optimizer.step()
    assert torch.isfinite(a).all()
