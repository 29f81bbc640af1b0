"""The two-pass step of plain loops, against hand-written references."""

import copy
import warnings

import pytest
import torch
from pytorch_optimizer import SAM as PublishedSAM  # noqa: N811
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.peak_memory import PeakMemory
from mmrobustprune.sharpness import ASAM, AWP, SAM, AdaSAP, two_pass_step

RULES = [SAM(), ASAM(), AWP(), AdaSAP(), AdaSAP(norm='neuron', scope='network', params='all')]


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.ConvTranspose2d(6, 4, 2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(4 * 49, 3),
    )


def batch():
    draw = torch.Generator().manual_seed(5)
    return torch.randn(4, 3, 8, 8, generator=draw), torch.tensor([0, 1, 2, 0])


def train(rule, steps=2, model=None):
    model = network() if model is None else model
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-3)
    x, y = batch()
    torch.manual_seed(1)
    losses = [
        two_pass_step(model, optimizer, rule, lambda: cross_entropy(model(x), y))
        for _ in range(steps)
    ]
    return model, torch.stack(losses)


def test_T01_zero_radius_is_plain_training_bit_by_bit():
    plain, expected = train(None)
    end = torch.get_rng_state()
    for rule in (SAM(rho=0.0), ASAM(rho=0.0), AWP(gamma=0.0), AdaSAP(rho_min=0.0, rho_max=0.0)):
        model, losses = train(rule)
        assert torch.equal(losses, expected)
        assert torch.equal(torch.get_rng_state(), end)
        for name, value in model.state_dict().items():
            assert torch.equal(value, plain.state_dict()[name]), name


def test_against_a_hand_written_step():
    model, (x, y) = network(), batch()
    model[5] = nn.Identity()  # no dropout, so the reference needs no generators
    reference = copy.deepcopy(model)
    train(SAM(rho=0.3), steps=1, model=model)

    loss = cross_entropy(reference(x), y)
    grads = torch.autograd.grad(loss, list(reference.parameters()))
    norm = torch.cat([g.flatten() for g in grads]).norm()
    climbed = copy.deepcopy(reference)
    with torch.no_grad():
        for p, g in zip(climbed.parameters(), grads, strict=True):
            p += 0.3 * g / norm
    second = torch.autograd.grad(cross_entropy(climbed(x), y), list(climbed.parameters()))
    with torch.no_grad():
        for p, g in zip(reference.parameters(), second, strict=True):
            p -= 0.1 * (g + 1e-3 * p)
    for name, value in model.named_parameters():
        torch.testing.assert_close(value, dict(reference.named_parameters())[name])


def test_three_steps_are_those_of_an_independent_implementation():
    """SAM of the pytorch_optimizer package, on a network with normalisation and biases."""
    model = network()
    model[5] = nn.Identity()
    reference = copy.deepcopy(model)
    train(SAM(rho=0.05), steps=3, model=model)
    settings = dict(lr=0.1, momentum=0.9, weight_decay=1e-3)
    theirs = PublishedSAM(reference.parameters(), torch.optim.SGD, rho=0.05, **settings)
    x, y = batch()

    def closure():
        loss = cross_entropy(reference(x), y)
        loss.backward()
        return loss

    for _ in range(3):
        closure()
        theirs.step(closure)
        theirs.zero_grad()
    for (name, ours), other in zip(model.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-5, atol=1e-6, msg=name)


def test_a_step_by_hand():
    """loss = (w x + b)^2 / 2 at w = 1, b = 0, x = 2: g = (4, 2), so e = rho (2, 1) / sqrt(5)."""
    model = nn.Linear(1, 1)
    with torch.no_grad():
        model.weight.fill_(1.0)
        model.bias.fill_(0.0)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x = torch.full((1, 1), 2.0)
    loss = two_pass_step(
        model, optimizer, SAM(rho=5**0.5 / 10), lambda: model(x).square().sum() / 2
    )
    # at w = 1.2, b = 0.1 the output is 2.5, so the gradient is (5, 2.5)
    assert loss == 2 and model.weight.item() == pytest.approx(1 - 0.5)
    assert model.bias.item() == pytest.approx(-0.25)


def test_parameters_without_dimensions_move_too():
    model = nn.Linear(2, 1)
    model.register_parameter('factor', nn.Parameter(torch.tensor(2.0)))
    seen = []

    def closure():
        seen.append(model.factor.item())
        return (model(torch.ones(3, 2)) * model.factor).square().mean()

    for rule in (SAM(rho=0.1), ASAM(rho=0.1), AdaSAP(params='all')):
        seen.clear()
        two_pass_step(model, torch.optim.SGD(model.parameters(), 0.1), rule, closure)
        assert len(seen) == 2 and seen[0] != seen[1]


@pytest.mark.parametrize('rule', RULES, ids=lambda rule: type(rule).__name__)
def test_every_rule_trains(rule):
    model, losses = train(rule, steps=6)
    assert losses[-1] < losses[0]
    assert model[1].num_batches_tracked == 6  # T04: once a step


def test_transposed_convolutions_have_their_outputs_on_the_second_dimension():
    model = nn.ConvTranspose2d(2, 3, 1, bias=False)
    seen = {}

    class Spy(SAM):
        def offsets(self, params, grads, reuse=False):
            seen.update({name: (p.shape, grads[name].shape) for name, p in params.items()})
            return super().offsets(params, grads, reuse)

    before = model.weight.clone()
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    two_pass_step(model, optimizer, Spy(), lambda: model(torch.ones(1, 2, 4, 4)).square().sum())
    assert seen == {'weight': (torch.Size([3, 2, 1, 1]),) * 2}
    assert torch.equal(model.weight, before)


def test_only_the_optimizers_parameters_move():
    model, moved = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1)), []
    optimizer = torch.optim.SGD(model[1].parameters(), 0.1)
    x = torch.ones(2, 3)

    def closure():
        moved.append([p.detach().clone() for p in model.parameters()])
        return model(x).square().sum()

    two_pass_step(model, optimizer, SAM(rho=1.0), closure)
    changed = [not torch.equal(a, b) for a, b in zip(*moved, strict=True)]
    assert changed == [False, False, True, True]


def test_parameters_outside_the_model_get_the_second_gradient_alone():
    model, scale = nn.Linear(2, 1, bias=False), nn.Parameter(torch.tensor(1.0))
    optimizer = torch.optim.SGD([*model.parameters(), scale], 1.0)
    x = torch.ones(1, 2)
    with torch.no_grad():
        model.weight.fill_(1.0)
    two_pass_step(model, optimizer, SAM(rho=0.0), lambda: (model(x) * scale).sum())
    assert scale.item() == -1.0  # 1 - 2, not 1 - 4


@pytest.mark.parametrize('rule', RULES, ids=lambda rule: type(rule).__name__)
def test_T31_at_most_two_weight_copies_more_than_a_plain_step(rule):
    model = nn.Sequential(*[nn.Linear(128, 128) for _ in range(6)])
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)
    x = torch.randn(2, 128)

    def peak(rule):
        optimizer.zero_grad()
        with PeakMemory() as memory:
            two_pass_step(model, optimizer, rule, lambda: model(x).square().mean())
        return memory.peak

    peak(None)  # momentum is made here
    copy_of_weights = sum(p.nbytes for p in model.parameters())
    assert peak(rule) - peak(None) <= 2.02 * copy_of_weights


def test_a_radius_far_too_wide_warns_once():
    rule = SAM(rho=50.0)
    with pytest.warns(UserWarning, match='more than 3 times; use a smaller radius'):
        train(rule, steps=1)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        train(rule, steps=1)
        train(SAM(rho=0.01), steps=1)


def test_the_hardest_samples_alone_warn_of_nothing():
    """Nearly all of the loss is that of two samples in sixteen: eight times the mean."""
    model = nn.Linear(1, 1, bias=False)
    x = torch.cat([torch.ones(2), 0.01 * torch.arange(14)])[:, None]
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    ascent = dict(type='part', weights=1 - 1e-9, samples=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        two_pass_step(
            model,
            optimizer,
            SAM(rho=1e-3),
            lambda take=lambda samples: samples: model(take(x)).square()[:, 0],
            ascent,
        )


def test_T18_an_error_in_the_second_pass_leaves_the_weights():
    model, calls = network(), []
    before = copy.deepcopy(model.state_dict())
    model[1].momentum = 0.0
    x, y = batch()

    def closure():
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError('out of memory')
        return cross_entropy(model(x), y)

    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(RuntimeError, match='out of memory'):
        two_pass_step(model, optimizer, SAM(rho=0.5), closure)
    for name, value in model.named_parameters():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize('name', ['FullyShardedDataParallel', 'FSDPModule', 'DeepSpeedEngine'])
def test_sharded_models_are_refused_by_name(name):
    wrapper = type(name, (nn.Linear,), {})(2, 2)
    optimizer = torch.optim.SGD(wrapper.parameters(), 0.1)
    with pytest.raises(ValueError, match=f'under {name}; train with DistributedDataParallel'):
        two_pass_step(wrapper, optimizer, SAM(), lambda: wrapper(torch.ones(1, 2)).sum())
