"""The gradient of a part of the batch, by hand."""

import pytest
import torch
from torch import nn

from mmrobustprune.sharpness import SAM, two_pass_step
from mmrobustprune.sharpness.ascents import Sampled


def test_a_step_by_hand():
    """loss = mean of (w x)^2 / 2, so g = w mean(x^2), of the first two samples and of all four."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    x = torch.tensor([[-1.0], [1.0], [2.0], [0.0]])
    seen = []

    def closure(take=lambda samples: samples):
        seen.append((model.weight.item(), len(take(x))))
        return model(take(x)).square().mean() / 2

    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    ascent = dict(type='sampled', first=0.5)
    loss = two_pass_step(model, optimizer, SAM(rho=0.25), closure, ascent)
    assert seen == [(1.0, 2), (1.25, 4)]
    assert loss.item() == pytest.approx(1.25**2 * 1.5 / 2)
    assert model.weight.item() == pytest.approx(1 - 0.5 * 1.25 * 1.5)


def test_the_buffers_are_those_of_the_whole_batch():
    norm = nn.BatchNorm1d(2, momentum=1.0)
    x = torch.randn(8, 2)

    def closure(take=lambda samples: samples):
        return norm(take(x)).square().sum()

    two_pass_step(norm, torch.optim.SGD(norm.parameters(), 0.1), SAM(), closure, 'sampled')
    assert norm.num_batches_tracked == 1
    torch.testing.assert_close(norm.running_mean, x.mean(0))


def test_what_is_no_share_or_takes_none_is_refused():
    with pytest.raises(ValueError, match=r'first=1 is not in \(0, 1\); it is a share, and ascent='):
        Sampled(first=1)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(ValueError, match='the closure takes no argument; write it as `def closure'):
        two_pass_step(model, optimizer, SAM(), lambda: model(torch.ones(2, 1)).sum(), 'sampled')
