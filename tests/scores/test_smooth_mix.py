"""Filters ranked by size and smoothness."""

import pytest
import torch
from torch import nn

from mmrobustprune.scores import SmoothMix, build_score
from mmrobustprune.surgery import prune_channels, trace
from tests.support.networks import Residual


def four_filters():
    """Sizes 9, 4, 2.25, 1; roughnesses 0, 64, 36, 0 (a cell c in the middle has 2 * 8 * c^2)."""
    conv = nn.Conv2d(1, 4, 3, bias=False)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0] = 1
        conv.weight[1, 0, 1, 1], conv.weight[2, 0, 1, 1] = 2, 1.5
        conv.weight[3] = 1 / 3
    return nn.Sequential(conv)


@pytest.mark.parametrize(
    'alpha, expected',
    [
        (1, [3, 2, 1, 0]),  # sizes alone: the L2 norm's order
        (0, [2, 0, 1, 3]),  # roughness alone; of the two smooth ones the earlier ranks lower
        (0.5, [2.5, 1, 1, 1.5]),
        (0.75, [2.75, 1.5, 1, 0.75]),
    ],
)
def test_by_hand(alpha, expected):
    (scores,) = SmoothMix(alpha).filters(four_filters()).values()
    assert scores.tolist() == pytest.approx([value / 3 for value in expected])


def test_a_unit_sums_over_the_filters_it_takes_along():
    net = Residual()
    found = trace(net, torch.randn(1, 3, 6, 6))
    sizes = {group.name: SmoothMix(1)(net, [group])[group.name] for group in found.groups}
    assert [len(scores) for scores in sizes.values()] == [group.units for group in found.groups]
    stem, conv2 = (
        net.stem.weight.detach(),
        net.conv2.weight.detach(),
    )  # both make the channels of the sum
    together = stem.square().sum((1, 2, 3)) + conv2.square().sum((1, 2, 3))
    assert sizes['stem'].argsort().tolist() == together.argsort().tolist()


def test_it_prunes_and_knows_its_bounds():
    net = Residual()
    before = sum(p.numel() for p in net.parameters())
    prune_channels(
        net, torch.randn(1, 3, 6, 6), 0.5, score=build_score(dict(type='SmoothMix', alpha=0.5))
    )
    assert sum(p.numel() for p in net.parameters()) < before
    with pytest.raises(ValueError, match=r'alpha in \[0, 1\], not 1.5'):
        SmoothMix(1.5)
