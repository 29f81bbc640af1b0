"""What every ascent keeps: the weights, buffers and generators of plain training at radius 0."""

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from mmrobustprune.masks import MaskSet
from mmrobustprune.sharpness import ASAM, AWP, SAM, AdaSAP, build_ascent, two_pass_step
from mmrobustprune.sharpness.ascents import Ascent, Fresh, Step
from mmrobustprune.sharpness.build import ASCENTS
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import trace
from tests.support.networks import Residual, every_third_dead

ZERO = [SAM(rho=0.0), ASAM(rho=0.0), AWP(gamma=0.0), AdaSAP(rho_min=0.0, rho_max=0.0)]


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)
    )


losses_of = partial(cross_entropy, reduction='none')


def whole(samples):
    return samples


def sgd(model):
    return torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-3)


def train(model, optimizer, rule, ascent='fresh', steps=range(3)):
    losses = []
    for number in steps:
        torch.manual_seed(number)
        x = torch.randn(16, 6)
        y = torch.randint(0, 3, (16,))
        closure = lambda take=whole, x=x, y=y: losses_of(model(take(x)), take(y))  # noqa: E731
        losses.append(two_pass_step(model, optimizer, rule, closure, ascent))
    return torch.stack(losses)


def assert_same(a, b):
    for (name, one), other in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


@pytest.mark.parametrize('ascent', ASCENTS)
def test_zero_radius_is_plain_training_bit_by_bit(ascent):
    plain = network()
    losses = train(plain, sgd(plain), None)
    end = torch.get_rng_state()
    for rule in ZERO:
        model = network()
        assert torch.equal(train(model, sgd(model), rule, ascent), losses)
        assert torch.equal(torch.get_rng_state(), end)
        assert_same(model, plain)


@pytest.mark.parametrize('ascent', ASCENTS)
@pytest.mark.parametrize('rule', [SAM(rho=0.3), AdaSAP()])
def test_a_resumed_run_ends_with_the_same_weights(ascent, rule):
    whole = network()
    train(whole, sgd(whole), rule, ascent, range(6))
    part, again = network(), network()
    optimizer, other = sgd(part), sgd(again)
    train(part, optimizer, rule, ascent, range(3))
    again.load_state_dict(part.state_dict())
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(again, other, rule, ascent, range(3, 6))
    assert_same(again, whole)
    plain = network()
    train(plain, sgd(plain), None, steps=range(6))
    assert not torch.equal(plain[0].weight, whole[0].weight)


@pytest.mark.parametrize('ascent', ASCENTS)
@pytest.mark.parametrize('fails', [2, 3, 4])
def test_an_error_in_any_pass_leaves_the_weights(ascent, fails):
    model, calls = network(), []
    optimizer = sgd(model)
    train(model, optimizer, SAM(rho=0.5), ascent, range(1))
    before = copy.deepcopy(model)

    class Failing(torch.autograd.Function):
        """Fails in the backward pass of the chosen call."""

        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            calls.append(1)
            if len(calls) == fails:
                raise RuntimeError('out of memory')
            return gradient

    def closure(take=whole):
        return Failing.apply(model(take(torch.ones(4, 6))).square().mean(1))

    with pytest.raises(RuntimeError, match='out of memory'):
        for _ in range(fails):
            before.load_state_dict(model.state_dict())
            two_pass_step(model, optimizer, SAM(rho=0.5), closure, ascent)
    for p, q in zip(model.parameters(), before.parameters(), strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize('ascent', ASCENTS)
def test_buffers_move_once_a_step(ascent):
    model = network()
    train(model, sgd(model), SAM(rho=0.5), ascent)
    assert model[1].num_batches_tracked == 3


@pytest.mark.parametrize('ascent', [name for name in ASCENTS if name != 'part'])
@pytest.mark.parametrize('make', [sgd, lambda model: torch.optim.AdamW(model.parameters(), 0.01)])
def test_a_removal_in_the_middle_changes_nothing(ascent, make):
    """Masked and removed training give one network; what the ascent remembers is sliced along.

    'part' draws as many random numbers as there are weights.
    """
    torch.manual_seed(0)
    model = Residual().double()
    groups = trace(model, torch.randn(1, 3, 6, 6).double()).groups
    optimizer = make(model)
    images = [torch.randn(4, 3, 6, 6).double() for _ in range(8)]

    def go_on(network, optimizer, span):
        for number in span:
            x = images[number]
            loss = lambda take=whole, x=x: network(take(x)).square().mean()  # noqa: E731
            two_pass_step(network, optimizer, AWP(gamma=0.1), loss, ascent)

    go_on(model, optimizer, range(3))
    masks = MaskSet(model, groups)
    masks.attach()
    masks.remove(every_third_dead(groups), optimizer)
    go_on(model, optimizer, range(3, 5))
    small = copy.deepcopy(model)
    small_optimizer = make(small)
    small_optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    rebuild(small, masks.structure('test'), small_optimizer)
    go_on(model, optimizer, range(5, 8))
    go_on(small, small_optimizer, range(5, 8))
    image = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    assert (model.eval()(image) - small.eval()(image)).abs().max() < 1e-10


def test_gradients_are_set_apart_and_come_back():
    model = nn.Linear(2, 1, bias=False)
    model.weight.grad = torch.ones(1, 2)
    step = Step(model, sgd(model), SAM())
    with step.apart() as found:
        assert model.weight.grad is None
        model(torch.full((1, 2), 3.0)).sum().backward()
    assert found == {model.weight: found[model.weight]} and (found[model.weight] == 3).all()
    assert (model.weight.grad == 1).all()


def test_what_is_noted_is_written_when_the_optimizer_steps():
    model = nn.Linear(2, 1, bias=False)
    adam = torch.optim.Adam(model.parameters())
    step = Step(model, adam, SAM())
    step.note('mine', {model.weight: torch.full((1, 2), 5.0)})
    step.note('left', {model.weight: 3})
    with step.noted():
        pass  # as a loss scaler does after an overflow
    assert not adam.state and step.remembered('mine') == {}
    model.weight.grad = torch.ones(1, 2)
    with step.noted():
        adam.step()
    assert step.remembered('left') == {model.weight: 3}
    assert (step.remembered('mine')[model.weight] == 5).all()
    assert adam.state[model.weight]['step'] == 1  # its own state was made as always


@pytest.mark.parametrize('name', [name for name, ascent in ASCENTS.items() if not ascent.several])
def test_several_steps_on_a_batch_are_refused_where_one_is_made(name):
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    rule = SAM()
    rule.inner_steps = 3
    with pytest.raises(ValueError, match='inner_steps=3 asks for several; take ascent='):
        two_pass_step(model, optimizer, rule, lambda take: model.weight.sum(), ascent=name)


def test_an_ascent_of_ones_own_is_taken_as_it_is():
    class Mine(Fresh):
        """A class, not a name."""

    assert isinstance(build_ascent(Mine()), Mine) and issubclass(Mine, Ascent)
    model = network()
    train(model, sgd(model), SAM(), Mine())
