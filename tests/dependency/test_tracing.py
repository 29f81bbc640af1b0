"""Groups written down by hand; what is left whole and why; what cannot be traced."""

import pytest
import torch
import torch_pruning
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from mmrobustprune.surgery import trace
from tests.support.networks import Between, Concat, Function, Gate, L2Norm, Residual

IMAGE = torch.randn(2, 3, 6, 6)


def sides(group):
    """{(layer, side): index as lists}"""
    return {(part.layer, part.side): part.index.tolist() for part in group.slices}


def by_name(found):
    return {group.name: group for group in found.groups}


def column(n, start=0):
    return [[i] for i in range(start, start + n)]


def test_residual_groups_by_hand():
    found = trace(Residual(), IMAGE)
    groups = by_name(found)
    assert set(groups) == {'stem', 'conv1'}
    six, four = column(6), column(4)
    assert sides(groups['stem']) == {
        ('stem', 'out'): six,
        ('bn', 'out'): six,
        ('conv2', 'out'): six,
        ('conv1', 'in'): six,
        ('head', 'in'): six,
    }
    assert sides(groups['conv1']) == {
        ('conv1', 'out'): four,
        ('bn1', 'out'): four,
        ('conv2', 'in'): four,
    }
    assert found.unprunable == {'head': 'it is an output of the model'}
    assert found.shapes == {'stem': 72, 'conv1': 72, 'conv2': 72, 'head': 2}


def test_concat_depthwise_and_flatten_map_unit_to_channels():
    groups = by_name(trace(Concat(), IMAGE))
    assert set(groups) == {'left', 'right'}
    assert sides(groups['left']) == {
        ('left', 'out'): column(3),
        ('bn', 'out'): column(3),
        ('depth', 'out'): column(3),
        ('fc', 'in'): [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]],
    }
    assert sides(groups['right'])['bn', 'out'] == column(5, start=3)
    assert sides(groups['right'])['fc', 'in'][0] == [12, 13, 14, 15]


def test_one_tensor_twice_in_a_concatenation():
    model = Between(Function(lambda x: torch.cat([x, x.relu()], 1)), 4, 8)
    (group,) = trace(model, IMAGE).groups
    assert sides(group)['last', 'in'] == [[0, 4], [1, 5], [2, 6], [3, 7]]


def test_concatenation_with_the_input_keeps_the_offset():
    class Net(Residual):
        def forward(self, x):
            return self.conv2(torch.cat([x, self.conv1(self.stem(x))], 1))

    net = Net(inner=4)
    net.conv2 = nn.Conv2d(7, 6, 1)
    assert sides(by_name(trace(net, IMAGE))['conv1'])['conv2', 'in'] == column(4, start=3)


def test_bare_parameter_goes_along():
    (group,) = trace(Between(L2Norm(8)), IMAGE).groups
    assert ('middle.weight', 'out') in sides(group)


def test_gate_is_tied_to_what_it_scales():
    groups = by_name(trace(Between(Gate(8)), IMAGE))
    assert set(groups) == {'first', 'middle.down'}
    assert {('middle.up', 'out'), ('middle.down', 'in')} <= set(sides(groups['first']))


def test_gate_of_one_channel_ties_nothing():
    class Spatial(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(8, 1, 1)

        def forward(self, x):
            return self.conv(x).sigmoid() * x

    found = trace(Between(Spatial()), IMAGE)
    assert set(by_name(found)) == {'first'}
    assert found.unprunable['middle.conv'] == 'it has a single channel'


def test_shared_module_is_one_layer():
    class Shared(Residual):
        def forward(self, x):
            x = self.stem(x)
            return [self.conv2(self.conv1(level)) for level in (x, x[..., ::2])]

    found = trace(Shared(), IMAGE)
    assert set(by_name(found)) == {'stem', 'conv1'}
    assert found.shapes['conv1'] == 72 + 36


def test_tied_parameters_lose_the_same_channels():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
            self.b.weight = self.a.weight
            self.c, self.d = nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 1)

        def forward(self, x):
            return self.c(self.a(x)), self.d(self.b(x))

    (group,) = trace(Tied(), IMAGE).groups
    assert set(sides(group)) == {('a', 'out'), ('b', 'out'), ('c', 'in'), ('d', 'in')}


def test_three_dimensional_tokens():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch = nn.Conv2d(3, 8, 2, 2)
            self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)
            self.head = nn.Linear(8, 2)

        def forward(self, x):
            x = self.patch(x).flatten(2).transpose(1, 2)
            return self.head((x + self.down(self.up(x).relu())).mean(1))

    groups = by_name(trace(Tokens(), IMAGE))
    assert set(groups) == {'patch', 'up'}
    assert ('down', 'out') in sides(groups['patch'])


@pytest.mark.parametrize('shape', [(2, 4), (2, 3, 4)])
def test_an_activation_in_place_after_a_linear_layer(shape):
    """Of tokens the layer's output is a view, whose node the activation replaces."""
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(inplace=True), nn.Linear(6, 2))
    (group,) = trace(model, torch.randn(shape)).groups
    assert sides(group).keys() == {('0', 'out'), ('2', 'in')} and model[1].inplace


# name -> (what stands between two convolutions, why the first stays unprunable or None)
WHOLE = {
    'layer_norm': (Function(lambda x: functional.layer_norm(x, x.shape[1:])), 'normalises'),
    'transposed': (
        nn.ConvTranspose2d(8, 8, 1, groups=2),
        "'middle' is a transposed convolution of 2 groups",
    ),
    'split elsewhere': (Function(lambda x: torch.cat(x.split(3, 2)[::-1], 2)), None),
    'unequal split': (Function(lambda x: torch.cat(x.split(3, 1)[::-1], 1)), 'are not equal'),
    'stride': (Function(lambda x: torch.cat([x[:, ::2], x[:, 1::2]], 1)), 'at fixed places'),
    'one channel': (Function(lambda x: x * x[:, :1]), 'too few of its channels'),
    'softmax': (nn.Softmax(1), 'works across its channels'),
    'mean': (Function(lambda x: x - x.mean(1, keepdim=True)), 'works across its channels'),
    'constant': (Function(lambda x: x * torch.arange(8.0)[:, None, None]), 'a value per channel'),
    'functional convolution': (
        Function(lambda x: functional.conv2d(x, torch.ones(8, 8, 1, 1))),
        'is not known to keep',
    ),
    'into fixed width': (
        Function(lambda x: x.new_zeros(x.shape).index_put((torch.arange(2),), x)),
        'fixed width',
    ),
    'without gradients': (
        Function(lambda x: checkpoint(torch.relu, x, use_reentrant=True)),
        "the function 'CheckpointFunction' is not known",
    ),
}


@pytest.mark.parametrize('name', WHOLE)
def test_left_whole_with_the_reason(name):
    middle, reason = WHOLE[name]
    found = trace(Between(middle), IMAGE)
    assert not found.groups if reason else found.groups
    assert reason is None or reason in found.unprunable['first']


@pytest.mark.parametrize('dim', [0, 2, (2, 3)])
def test_reductions_over_other_axes_are_followed(dim):
    found = trace(Between(Function(lambda x: x - x.mean(dim, keepdim=True))), IMAGE)
    assert [group.name for group in found.groups] == ['first']


def test_weight_that_is_computed_stays():
    model = Between(nn.Identity())
    nn.utils.parametrizations.weight_norm(model.last)
    assert 'computed' in trace(model, IMAGE).unprunable['first']


def test_layers_that_did_not_run_or_ran_without_gradients():
    class Net(Residual):
        def forward(self, x):
            x = self.stem(x)
            with torch.no_grad():
                self.conv1(x)
            return self.conv2(x)

    net = Net(inner=6)
    net.head2 = nn.Linear(2, 2)
    found = trace(net, IMAGE)
    assert found.unprunable['head2'] == 'it did not run in the traced forward'
    assert found.unprunable['conv1'] == 'it ran without gradients'
    assert "'conv1' reads it without gradients" in found.unprunable['stem']


def test_a_layer_whose_output_is_detached_still_reads():
    class Net(Residual):
        def forward(self, x):
            x = self.stem(x)
            scale = self.conv1(x).detach().mean()
            return self.conv2(x) * scale

    groups = by_name(trace(Net(inner=6), IMAGE))
    assert ('conv1', 'in') in sides(groups['stem'])


def test_tied_to_the_input():
    found = trace(nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 2, 1)), IMAGE)
    assert len(found.groups) == 1
    model = Between(nn.Identity(), 3)
    found = trace(model, IMAGE, lambda m, x: m.last(m.first(x) + x))
    assert found.unprunable['first'] == "its channels are tied to the model's input"


@pytest.mark.parametrize('pattern', ['stem', 's*', 'st?m'])
def test_ignored_layers_keep_their_width(pattern):
    found = trace(Residual(), IMAGE, ignore=[pattern])
    assert set(by_name(found)) == {'conv1'}
    assert found.unprunable['conv2'] == f"it matches ignore pattern '{pattern}'"


def test_a_pattern_that_matches_nothing_is_refused():
    with pytest.raises(ValueError, match="'convv1' matches no layer .nearest: conv1"):
        trace(Residual(), IMAGE, ignore='convv1')


def test_the_model_is_left_as_it_was():
    model = Residual().train()
    model.bn.eval()
    model.stem.weight.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trace(model, IMAGE)
    assert model.training and not model.bn.training and not model.stem.weight.requires_grad
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not model._forward_hooks and not model.stem._forward_pre_hooks


def test_frozen_layers_are_traced():
    model = Residual().requires_grad_(False)
    assert len(trace(model, IMAGE).groups) == 2


def test_the_failing_layer_is_named():
    with pytest.raises(ValueError, match="cannot be traced: RuntimeError in 'conv1'"):
        model = Residual()
        model.conv1 = nn.Conv2d(9, 4, 1)
        trace(model, IMAGE)


def test_outputs_without_gradient_are_refused():
    with pytest.raises(ValueError, match='no tensor that depends on its parameters'):
        trace(Residual(), IMAGE, lambda model, x: model(x).argmax())


def test_explain_prints_the_chain():
    text = trace(Concat(), IMAGE).explain()
    assert 'left: 3 units, one unit is' in text and '4 input channels of fc' in text
    assert 'fc: unprunable, it is an output of the model' in text


def test_groups_agree_with_torch_pruning():
    import torchvision

    model = torchvision.models.resnet18()
    image = torch.randn(1, 3, 64, 64)
    ours = set()
    for group in trace(model, image).groups:
        ours.add(frozenset((part.layer, part.side) for part in group.slices))
    graph = torch_pruning.DependencyGraph().build_dependency(model, image)
    names = {module: name for name, module in model.named_modules()}

    def side(dep):
        reads = isinstance(dep.target.module, (nn.Conv2d, nn.Linear))
        return 'in' if reads and 'in_channels' in dep.handler.__name__ else 'out'

    theirs = set()
    for group in graph.get_all_groups(ignored_layers=[model.fc]):
        known = [dep for dep, _ in group if dep.target.module in names]
        theirs.add(frozenset((names[dep.target.module], side(dep)) for dep in known))
    assert ours == theirs
