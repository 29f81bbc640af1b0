"""Traps of two-pass training: what a step must leave alone, by the numbers of the trap list."""

import copy
import random
import warnings

import numpy as np
import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper
from torch import nn

from mmrobustprune.engine.optim.optim_wrapper import set_rule
from mmrobustprune.sharpness import S2AP
from tests.support.passes import (
    Toy,
    assert_same_state,
    assert_zero_radius_is_plain,
    batch,
    generators,
    seed_all,
    steps,
    toy,
    wrapped,
)


class Noisy(Toy):
    """Draws from three generators in its forward pass."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        inputs = inputs + 0.1 * random.random() + 0.1 * np.random.rand()
        return super().forward(inputs, data_samples, mode)


def test_T01_zero_radius_is_plain_training():
    assert_zero_radius_is_plain(toy(), [batch(0), batch(1)])


@pytest.mark.parametrize(
    'rule',
    [
        dict(type='ASAM', rho=0.0),
        dict(type='AWP', gamma=0.0),
        dict(type='AdaSAP', rho_min=0.0, rho_max=0.0),
    ],
)
def test_T01_for_every_rule(rule):
    assert_zero_radius_is_plain(toy(), [batch(0), batch(1)], rule)


def test_T02_both_passes_draw_the_same_random_numbers():
    assert_zero_radius_is_plain(toy(Noisy), [batch(0), batch(1)])


def test_T02_without_the_replay_they_do_not(monkeypatch):
    monkeypatch.setattr('mmrobustprune.rng.RandomState.restore', lambda self: None)
    with pytest.raises(AssertionError):
        assert_zero_radius_is_plain(toy(Noisy), [batch(0), batch(1)])


class Counting(Toy):
    """Buffers of every kind: cumulative BatchNorm, a counter, a queue that is replaced."""

    def __init__(self):
        super().__init__()
        self.body[1] = nn.BatchNorm1d(8, momentum=None)
        self.register_buffer('count', torch.zeros((), dtype=torch.long))
        self.register_buffer('queue', torch.zeros(4))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        self.count += 1
        self.queue = torch.cat([self.queue[1:], inputs.mean()[None]])
        return super().forward(inputs, data_samples, mode)


def test_T03_buffers_move_once_a_step():
    model = toy(Counting)
    assert_zero_radius_is_plain(model, [batch(0), batch(1)])
    assert model.count == 2


def test_T04_batches_are_counted_once_and_the_momentum_is_kept():
    model = toy(Counting)
    steps(model, wrapped(model, rule=dict(rho=0.5)), 3)
    assert model.body[1].num_batches_tracked == 3 and model.body[1].momentum is None


class Samples:
    def __init__(self, labels):
        self.labels, self.fresh = labels, True


class Mutating(Toy):
    """Uses its samples up, as RTMDet-Ins does."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        assert data_samples[0].fresh
        data_samples[0].fresh = False
        return super().forward(inputs, data_samples.pop(0).labels, mode)


def test_T05_samples_changed_in_place_are_fresh_in_the_second_pass():
    model = toy(Mutating)
    data = batch()
    sample = Samples(data['data_samples'])
    model.train_step(dict(inputs=data['inputs'], data_samples=[sample]), wrapped(model))
    assert len(model.calls) == 2
    assert not sample.fresh  # the caller sees what one pass does


def test_T05_and_in_every_inner_step():
    model = toy(Mutating)
    data = batch()
    rule = S2AP(inner_steps=3, params='weight')
    data['data_samples'] = [Samples(data['data_samples'])]
    model.train_step(data, wrapped(model, rule=rule))
    assert len(model.calls) == 4


def test_T06_the_preprocessor_runs_once():
    model, seen = toy(), []
    model.data_preprocessor.register_forward_hook(lambda *_: seen.append(1))
    steps(model, wrapped(model), 2)
    assert len(seen) == 2 and len(model.calls) == 4


def test_T07_an_input_tensor_changed_in_place_is_refused():
    class InPlace(Toy):
        def forward(self, inputs, data_samples=None, mode='tensor'):
            return super().forward(inputs.mul_(2), data_samples, mode)

    model = toy(InPlace)
    before = copy.deepcopy(model)
    with pytest.raises(ValueError, match='InPlace changed an input tensor in place'):
        model.train_step(batch(), wrapped(model))
    for p, q in zip(model.parameters(), before.parameters(), strict=True):
        assert torch.equal(p, q)


def test_T08_classes_with_plain_python_state_are_named():
    class DropBlock(nn.Identity):
        pass

    class WithTeacher(Toy):
        def __init__(self):
            super().__init__()
            self.teacher = ExponentialMovingAverage(nn.Linear(2, 2))

    model = toy()
    model.body[3] = DropBlock()
    wrapper = wrapped(
        model, rule=None
    )  # as a recipe has it, whose rule comes once the training has begun
    wrapper.initialize_count_status(model, 0, 10)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        model.train_step(batch(), wrapper)
    set_rule(wrapper, dict(type='SAM', rho=0.05))
    with pytest.warns(UserWarning, match='DropBlock: its warm-up counter') as said:
        model.train_step(batch(), wrapper)
        model.train_step(batch(), wrapper)
    assert sum('warm-up counter' in str(one.message) for one in said) == 1
    model = toy(WithTeacher)
    with pytest.warns(UserWarning, match='ExponentialMovingAverage: a momentum encoder'):
        model.train_step(batch(), wrapped(model))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        wrapped(model, rule=None).initialize_count_status(model, 0, 10)
        wrapped(toy()).initialize_count_status(toy(), 0, 10)


def test_T17_weights_without_a_second_gradient_come_back():
    class Branchy(Toy):
        def __init__(self):
            super().__init__(dropout=0.0)
            self.other = nn.Linear(6, 3)

        def forward(self, inputs, data_samples=None, mode='tensor'):
            losses = super().forward(inputs, data_samples, mode)
            if len(self.calls) == 1:
                losses['loss_other'] = self.other(inputs).square().mean()
            return losses

    model = toy(Branchy)
    before = copy.deepcopy(model.other)
    model.train_step(batch(), wrapped(model, rule=dict(rho=1.0)))
    assert not torch.equal(model.calls[0]['other.weight'], model.calls[1]['other.weight'])
    assert_same_state(model.other, before)


def test_T18_an_error_in_the_second_pass_restores_everything():
    class Failing(Counting):
        def forward(self, inputs, data_samples=None, mode='tensor'):
            losses = super().forward(inputs, data_samples, mode)
            torch.rand(3)
            if len(self.calls) == 2:
                raise RuntimeError('out of memory')
            return losses

    model, once = toy(Failing), toy(Failing)
    seed_all()
    with pytest.raises(RuntimeError, match='out of memory'):
        model.train_step(batch(), wrapped(model, rule=dict(rho=1.0)))
    after = generators()
    seed_all()
    once(**batch(), mode='loss')
    assert_same_state(model, once)  # the weights of the start, the buffers of one pass
    assert after == generators()


def test_T21_nothing_stays_on_the_model():
    model = toy()
    reference = toy()
    averaged, expected = ExponentialMovingAverage(model), ExponentialMovingAverage(reference)
    wrapper, other = wrapped(model, rule=dict(rho=0.0)), wrapped(reference, OptimWrapper)
    for number in range(3):
        for network, mean, optim in ((model, averaged, wrapper), (reference, expected, other)):
            seed_all()
            network.train_step(batch(number), optim)
            mean.update_parameters(network)
    assert_same_state(averaged, expected)
    assert not model._forward_pre_hooks and not model._forward_hooks
    copy.deepcopy(model)


def test_T22_weights_stay_in_their_storage():
    model = toy()
    places = [p.data_ptr() for p in model.parameters()]
    steps(model, wrapped(model, rule=dict(rho=1.0)))
    assert [p.data_ptr() for p in model.parameters()] == places


@pytest.mark.parametrize(
    'rule', [dict(type='SAM', rho=1.0), dict(type='ASAM'), dict(type='AdaSAP'), dict(type='AWP')]
)
def test_T24_masked_weights_are_zero_in_both_passes(rule):
    model = toy()
    weight = model.body[0].weight
    masked = torch.zeros_like(weight, dtype=torch.bool)
    masked[2:5] = masked[:, 1] = True
    with torch.no_grad():
        weight.masked_fill_(masked, 0)
    weight.register_hook(lambda grad: grad.masked_fill(masked, 0))
    steps(model, wrapped(model, rule=rule), 3)
    assert not weight[masked].any() and weight[~masked].all()
    assert len(model.calls) == 6
    assert not any(call['body.0.weight'][masked].any() for call in model.calls)
    assert not torch.equal(model.calls[0]['body.0.weight'], model.calls[1]['body.0.weight'])
