"""The certificate refuses what is not the same network."""

import pytest
import torch
from torch import nn

from benchmarks.peak_memory import PeakMemory
from mmrobustprune.dependency.groups import halves
from mmrobustprune.masks import MaskSet
from mmrobustprune.structure.compare import difference, one_ulp_off, random_like
from mmrobustprune.surgery import Group, Slice, certify, trace, verify
from mmrobustprune.surgery.verify import guilty
from tests.support.networks import Between, Function, L2Norm, Residual, every_third_dead

IMAGE = torch.randn(2, 3, 6, 6)


def masked(model, groups):
    masks = MaskSet(model, groups)
    masks.remove(every_third_dead(groups))
    return masks


def test_a_right_cut_is_certified_in_both_precisions():
    model = Residual()
    masks = masked(model, trace(model, IMAGE).groups)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert certify(masks, IMAGE) < 1e-13
    assert certify(masks, IMAGE, dtype=torch.float32) < 1e-5
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_layers_that_cast_to_single_precision_are_certified_in_double():
    model = Between(nn.Sequential(Function(lambda x: x.float()), L2Norm(8)))
    assert certify(masked(model, trace(model, IMAGE).groups), IMAGE) < 1e-13


def test_a_forward_that_knows_only_single_precision_is_certified_in_it():
    def single(x):
        if x.dtype == torch.float64:
            raise RuntimeError('expected scalar type Float but found Double')
        return x

    model = Between(Function(single))
    assert certify(masked(model, trace(model, IMAGE).groups), IMAGE) < 1e-5


def asserted(x):
    assert x.shape[1] == 8
    return x


@pytest.mark.parametrize('wrong', ['crossed', 'mean', 'shape', 'asserted'])
def test_a_wrong_cut_is_refused_and_the_group_named(wrong):
    middle = {
        'crossed': lambda x: x.flip(1),
        'mean': lambda x: x - x.mean(1, keepdim=True),
        'shape': lambda x: x.view(2, 8, 6, 6),
        'asserted': asserted,
    }[wrong]
    model = nn.Sequential(
        nn.Conv2d(3, 6, 1), nn.Conv2d(6, 8, 1), Function(middle), nn.Conv2d(8, 2, 1)
    )
    six, eight = torch.arange(6)[:, None], torch.arange(8)[:, None]
    groups = (
        Group('0', 6, (Slice('0', 'out', six), Slice('1', 'in', six))),
        Group('1', 8, (Slice('1', 'out', eight), Slice('3', 'in', eight))),
    )
    with pytest.raises(
        ValueError, match=r"the surgery was refused.*leave unprunable by ignore=\['1'\]"
    ):
        certify(masked(model, groups), IMAGE)


def test_scales_of_zero_do_not_hide_a_wrong_cut():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), Function(lambda x: x.flip(1)), nn.Conv2d(8, 2, 1)
    )
    nn.init.zeros_(model[1].weight)
    index = torch.arange(8)[:, None]
    groups = (
        Group(
            '0', 8, tuple(Slice(*side, index) for side in (('0', 'out'), ('1', 'out'), ('3', 'in')))
        ),
    )
    with pytest.raises(ValueError, match='refused'):
        certify(masked(model, groups), IMAGE)


def test_a_network_that_gives_nan_is_named_as_such():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    found = trace(model, torch.randn(1, 3, 8, 8))
    nn.init.constant_(model[2].bias, float('nan'))
    masks = MaskSet(model, found.groups)
    masks.remove(every_third_dead(found.groups))
    with pytest.raises(ValueError, match='infinite or NaN outputs'):
        certify(masks, torch.randn(1, 3, 8, 8))


def shares(x):
    """Of every place in the sum of all, by an exponential that overflows at 4.7 (float64)."""
    raised = (150 * x).exp()
    return raised / raised.sum((2, 3), keepdim=True)


@pytest.mark.parametrize('wrong', [False, True])
def test_random_weights_are_smaller_where_the_network_overflows(wrong, monkeypatch):
    model = nn.Sequential(
        nn.Conv2d(3, 6, 1), nn.ReLU(), nn.Conv2d(6, 8, 1), Function(shares), nn.Conv2d(8, 2, 1)
    )
    groups = trace(model, IMAGE).groups
    if wrong:
        model[3] = Function(lambda x: shares(x.flip(1)))
        with pytest.raises(ValueError, match='the surgery was refused'):
            certify(masked(model, groups), IMAGE)
    else:
        assert certify(masked(model, groups), IMAGE) <= 1e-10
    monkeypatch.setattr(verify, 'GAINS', (1.0,))
    with pytest.raises(ValueError, match='infinite or NaN outputs'):
        certify(masked(model, groups), IMAGE)


def chaotic(power):
    """A network whose second half amplifies what reaches it by 2^power, as iterated maps do."""

    def amplify(x):
        x = x.sigmoid()
        for _ in range(power):
            x = 4 * x * (1 - x)  # the logistic map doubles a difference
        return x

    return nn.Sequential(
        nn.Linear(3, 200), nn.ReLU(), nn.Linear(200, 4), Function(amplify), nn.Linear(4, 2)
    )


def test_a_network_that_amplifies_rounding_is_not_refused_for_it():
    torch.manual_seed(0)
    model = chaotic(20)
    rows = torch.randn(64, 3)
    masks = masked(model, trace(model, rows, ignore=['2']).groups)
    found = certify(masks, rows)
    x = random_like(rows, torch.float64, 0)
    model.double()
    with torch.no_grad():
        effect = difference(model(x), model(one_ulp_off(x, 0)))
    assert 1e-10 < found < 10 * effect


def test_a_wrong_cut_of_a_network_that_amplifies_rounding_is_refused():
    torch.manual_seed(0)
    model = chaotic(20)
    index = torch.arange(200)[:, None]
    crossed = Group('0', 200, (Slice('0', 'out', index), Slice('2', 'in', index.flip(0))))
    with pytest.raises(ValueError, match=r'where \de-0[6-9] is allowed; .*ignore=..0'):
        certify(masked(model, (crossed,)), torch.randn(64, 3))


def groups_named(*names):
    return [Group(name, 1, ()) for name in names]


def test_only_the_groups_at_fault_are_named():
    """a fails alone, c fails together with f, and b, d, e are innocent."""
    groups = groups_named(*'abcdef')
    tried = []

    def fails(some):
        names = {group.name for group in some}
        tried.append(names)
        return 'a' in names or {'c', 'f'} <= names

    assert [group.name for group in guilty(groups, fails)] == ['a', 'c', 'f']
    assert len(tried) < 30


def test_of_groups_that_fail_together_as_few_are_named_as_it_takes():
    groups = groups_named(*map(str, range(64)))

    def fails(some):
        return {'3', '40', '41'} <= {group.name for group in some}

    assert [group.name for group in guilty(groups, fails)] == ['3', '40', '41']


def test_all_are_named_where_each_fails_alone():
    groups = groups_named(*'abcd')
    assert guilty(groups, lambda some: bool(some)) == groups


def test_no_set_is_tried_twice():
    tried = []
    assert guilty(groups_named(*'abcd'), lambda some: tried.append(len(some))) == []
    assert tried == [4]


class Sized(nn.Module):
    """Two convolutions, and a position embedding for images of one size."""

    def __init__(self, side):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 1)
        self.second = nn.Conv2d(6, 2, 1)
        self.position = nn.Parameter(torch.zeros(1, 1, side, side))

    def forward(self, x):
        return self.second(self.first(x) + self.position)


def sides_of_convolutions(model, image):
    masks = masked(model, trace(model, image).groups)
    seen = []
    handle = nn.modules.module.register_module_forward_pre_hook(
        lambda module, args: (
            seen.append(args[0].shape[2:])
            if isinstance(module, nn.Conv2d) and module.out_channels == 2
            else None
        )
    )
    try:
        assert certify(masks, image) < 1e-12
    finally:
        handle.remove()
    return {tuple(size) for size in seen}


def large_alone(x):
    assert min(x.shape[2:]) > 100
    return x


def test_large_images_are_made_smaller_where_the_network_takes_them_so():
    image = torch.randn(1, 3, 320, 200)
    first = nn.Conv2d(3, 6, 1)
    second = nn.Conv2d(6, 2, 1)
    assert sides_of_convolutions(nn.Sequential(first, second), image) == {(64, 64)}
    large = nn.Sequential(first, Function(large_alone), second)
    assert sides_of_convolutions(large, image) == {(160, 128)}
    assert sides_of_convolutions(Sized(160), torch.randn(1, 3, 160, 160)) == {(160, 160)}


class Compiled(torch.autograd.Function):
    """An operator that takes its tensors past torch's functions, and only of one precision."""

    @staticmethod
    def forward(ctx, x, weight):
        assert x.dtype == weight.dtype
        return x @ weight.T

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class Custom(nn.Linear):
    def forward(self, x):
        return Compiled.apply(x, self.weight)


def test_an_operator_that_needs_its_weight_in_double_precision_gets_it():
    model = nn.Sequential(nn.Linear(3, 6), nn.Linear(6, 4), nn.Flatten(), Custom(4, 2))
    found = trace(model, torch.randn(5, 3), ignore=['1', '3'])
    assert [group.name for group in found.groups] == ['0']
    assert certify(masked(model, found.groups), torch.randn(5, 3)) < 1e-13


def test_one_small_network_is_held_at_a_time():
    """In sizes of the network in single precision: one copy, and one of its layers in double."""
    model = nn.Sequential(*[nn.Sequential(nn.Linear(256, 256), nn.ReLU()) for _ in range(16)])
    found = trace(model, torch.randn(1, 256))
    masks = MaskSet.planned(model, found.groups, halves(found.groups))
    with PeakMemory() as memory:
        certify(masks, torch.randn(1, 256))
    assert memory.peak < 1.3 * sum(one.nbytes for one in model.parameters())
