"""The absolute gain through a channel, by hand, and that it bounds what a removal changes."""

import torch
from torch import nn

from mmrobustprune.dependency import Group, Slice
from mmrobustprune.scores import DataFlow
from mmrobustprune.surgery import trace
from tests.scores.nets import close


def set_(layer, weight, **more):
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight).reshape(layer.weight.shape))
        for name, value in more.items():
            getattr(layer, name).copy_(torch.tensor(value))
    return layer


def norm(scale, spread):
    """A batch normalisation that multiplies by scale / spread."""
    layer = nn.BatchNorm2d(len(scale), eps=0.0)
    return set_(layer, scale, running_var=[one**2 for one in spread])


def conv(inputs, outputs, weight, groups=1):
    return set_(nn.Conv2d(inputs, outputs, 1, bias=False, groups=groups), weight)


def test_a_path_multiplies_what_its_layers_do_to_a_channel():
    model = nn.Sequential(
        conv(1, 2, [2.0, -1.0]),
        norm([0.5, -3.0], [2.0, 1.0]),
        nn.ReLU(),
        conv(2, 2, [-3.0, 2.0], groups=2),
        norm([1.0, 1.0], [1.0, 2.0]),
        conv(2, 1, [1.0, -5.0]),
    ).eval()
    (group,) = trace(model, torch.randn(1, 1, 2, 2)).groups
    scores = DataFlow()(model, [group])[group.name]
    assert close(scores, [2 * 0.25 * 3 * 1, 1 * 3 * 2 / 2 * 5])


class Sum(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = conv(1, 2, [2.0, 1.0])
        self.norm_a = norm([1.0, 1.0], [1.0, 2.0])
        self.b = conv(1, 2, [1.0, 4.0])
        self.norm_b = norm([3.0, 1.0], [1.0, 1.0])
        self.read = conv(2, 2, [[1.0, 2.0], [-1.0, 3.0]])

    def forward(self, x):
        return self.read(self.norm_a(self.a(x)) + self.norm_b(self.b(x)))


def test_makers_of_one_channel_add_up_each_with_its_own_normalisation():
    model = Sum().eval()
    (group,) = trace(model, torch.randn(1, 1, 2, 2)).groups
    assert close(DataFlow()(model, [group])[group.name], [2 * (2 + 3), 5 * (0.5 + 4)])


def test_no_removal_changes_the_output_by_more():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6, bias=False), nn.ReLU(), nn.Linear(6, 3)).double()
    index = torch.arange(6)[:, None]
    group = Group('0', 6, (Slice('0', 'out', index), Slice('2', 'in', index)))
    bound = DataFlow()(model, [group])['0']
    images = torch.rand(64, 4).double() * 2 - 1  # of at most 1
    hidden = model[1](model[0](images))
    for unit in range(6):
        change = hidden[:, unit, None] * model[2].weight[:, unit]
        assert change.abs().sum(1).max() <= bound[unit]
    attained = model[0](model[0].weight.sign()).diagonal() * model[2].weight.abs().sum(0)
    torch.testing.assert_close(bound, attained)
