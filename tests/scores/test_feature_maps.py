"""Scores of feature maps: where they are taken, how they are averaged."""

import pytest
import torch
from torch import nn

from mmrobustprune.dependency.groups import Group, Slice
from mmrobustprune.scores import FeatureMaps, Hessian, Magnitude, feature_maps
from mmrobustprune.surgery import trace
from tests.support.networks import Residual

TWO = torch.arange(2)[:, None]


class Mean(FeatureMaps):
    """The mean of a map."""

    def values(self, maps):
        return maps.mean((1, 2))


def net():
    """conv(1 -> 2) with weights 1 and -3, ReLU, conv(2 -> 1), and its one group."""
    model = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.ReLU(), nn.Conv2d(2, 1, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, -3.0]).view(2, 1, 1, 1))
    return model, (Group('0', 2, (Slice('0', 'out', TWO), Slice('2', 'in', TWO))),)


def shown(score, model, groups, *images):
    score.look(model, groups, [lambda image=image: model(image).sum() for image in images])
    return score


def test_maps_are_those_that_the_readers_receive():
    """Of images of 1, 1, -2 the filters leave 1, 1, 0 and 0, 0, 6 behind the ReLU."""
    model, groups = net()
    score = Mean(3)
    assert not score.ready and not score.can_score(model, groups[0])
    images = torch.tensor([1.0, 1.0, -2.0]).view(3, 1, 1, 1).expand(3, 1, 2, 2)
    shown(score, model, groups, images[:2], images[2:])
    assert score.ready and torch.allclose(
        score(model, groups)['0'], torch.tensor([2 / 3, 2.0]).double()
    )
    model(images)  # nothing is watched any more
    assert score.counts == {'0': 3}
    again = Mean()
    again.load_state_dict(score.state_dict())
    assert torch.equal(again(model, groups)['0'], score(model, groups)['0'])
    score.reset()
    assert not score.ready and score.state_dict() == dict(type='Mean', sums={}, counts={})
    with pytest.raises(ValueError, match='scores are of Hessian per weight and Mean is asked for'):
        score.load_state_dict(Hessian().state_dict())
    with pytest.raises(ValueError, match='scores are of Mean and Magnitude is asked for'):
        Magnitude().load_state_dict(score.state_dict())
    with pytest.raises(ValueError, match="Mean saw no image that reaches group '0'"):
        score(model, groups)


def test_large_maps_are_valued_a_few_at_a_time(monkeypatch):
    """Maps of 2 x 2 and room for eight entries: two channels, then the third."""
    monkeypatch.setattr(feature_maps, 'CELLS', 8)
    model = nn.Sequential(nn.Conv2d(1, 3, 1), nn.Conv2d(3, 1, 1)).eval()
    image = torch.randn(2, 1, 2, 2)
    groups = trace(model, image).groups
    score = Mean()
    parts = []
    score.values = lambda maps: parts.append(len(maps)) or Mean.values(score, maps)
    found = shown(score, model, groups, image)(model, groups)[groups[0].name]
    assert parts == [2, 1] * 2
    assert torch.allclose(found, model[0](image).mean((0, 2, 3)).double())


def test_without_a_convolution_that_reads_they_are_taken_behind_the_last_layer():
    """The stem of Residual is read by conv1; the last convolution of a chain by nobody but fc."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 1),
        nn.BatchNorm2d(3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(3, 2),
    ).eval()
    image = torch.randn(1, 1, 4, 4)
    groups = trace(model, image).groups
    expected = model[:2](image).mean((0, 2, 3)).double()
    found = shown(Mean(), model, groups, image)(model, groups)
    assert torch.allclose(found[groups[0].name], expected)
    coupled = Residual().eval()
    image = torch.randn(2, 3, 6, 6)
    groups = trace(coupled, image).groups
    score = shown(Mean(), coupled, groups, image)
    assert score.counts == {'stem': 2, 'conv1': 2}
