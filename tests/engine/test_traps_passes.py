"""Traps of two-pass training that small models show; the numbers are those of the trap list."""
import copy
import random
import warnings

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel, ExponentialMovingAverage
from mmengine.optim import OptimWrapper
from torch import nn

from benchmarks.peak_memory import PeakMemory
from mmrobustprune.engine.optim_wrapper import AmpSAMOptimWrapper, SAMOptimWrapper
from mmrobustprune.sharpness import SAM
from mmrobustprune.sharpness import step as sharpness_step
from tests.support.passes import (
    Toy,
    assert_same_state,
    assert_zero_radius_is_plain,
    batch,
    generators,
    seed_all,
    toy,
    wrapped,
)


def steps(model, wrapper, count=2, first=0):
    seed_all()
    for number in range(first, first + count):
        model.train_step(batch(number), wrapper)
    return model


class Noisy(Toy):
    """Draws from three generators in its forward pass."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        inputs = inputs + 0.1 * random.random() + 0.1 * np.random.rand()
        return super().forward(inputs, data_samples, mode)


def test_T01_zero_radius_is_plain_training():
    assert_zero_radius_is_plain(toy(), [batch(0), batch(1)])


@pytest.mark.parametrize('rule', [
    dict(type='ASAM', rho=0.0), dict(type='AWP', gamma=0.0),
    dict(type='AdaSAP', rho_min=0.0, rho_max=0.0)])
def test_T01_for_every_rule(rule):
    assert_zero_radius_is_plain(toy(), [batch(0), batch(1)], rule)


def test_T02_both_passes_draw_the_same_random_numbers():
    assert_zero_radius_is_plain(toy(Noisy), [batch(0), batch(1)])


def test_T02_without_the_replay_they_do_not(monkeypatch):
    monkeypatch.setattr('mmrobustprune.sharpness.guards.RandomState.restore', lambda self: None)
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
    with pytest.warns(UserWarning, match='DropBlock: its warm-up counter'):
        wrapped(model).initialize_count_status(model, 0, 10)
    model = toy(WithTeacher)
    with pytest.warns(UserWarning, match='ExponentialMovingAverage: a momentum encoder'):
        wrapped(model).initialize_count_status(model, 0, 10)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        wrapped(model, rule=None).initialize_count_status(model, 0, 10)
        wrapped(toy()).initialize_count_status(toy(), 0, 10)


def amp(model, scale=None, **kwargs):
    """The AMP wrapper; a scale makes it scale losses as it would on a GPU."""
    wrapper = wrapped(model, AmpSAMOptimWrapper, **kwargs)
    if scale is not None:
        wrapper.loss_scaler = torch.amp.GradScaler('cpu', init_scale=scale)
    return wrapper


@pytest.mark.skipif(torch.cuda.is_available(), reason='the CPU form')
def test_T09_the_second_pass_casts_the_perturbed_weights(monkeypatch):
    model, losses = toy(dropout=0.0), []
    monkeypatch.setattr('mmrobustprune.engine.optim_wrapper.warn_if_far',
                        lambda rule, clean, far: losses.append((far - clean).item()))
    steps(model, amp(model, rule=dict(rho=1.0)), 1)
    assert losses[0] > 0.05  # far above bfloat16 noise in a replay at equal weights: exactly 0


@pytest.mark.skipif(torch.cuda.is_available(), reason='the CPU form')
def test_T10_the_loss_scale_changes_neither_offsets_nor_update():
    scaled, plain = toy(), toy()
    wrapper = amp(scaled, 65536.0, rule=dict(rho=0.5), clip_grad=dict(max_norm=1.0))
    steps(scaled, wrapper)
    steps(plain, amp(plain, rule=dict(rho=0.5), clip_grad=dict(max_norm=1.0)))
    for p, q in zip(scaled.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(p, q)
    assert wrapper.loss_scaler.get_scale() == 65536.0


class Overflowing(Toy):
    """Infinite gradients in the chosen calls."""

    bad = ()

    def forward(self, inputs, data_samples=None, mode='tensor'):
        losses = super().forward(inputs, data_samples, mode)
        if len(self.calls) in self.bad:
            self.body[0].weight.register_hook(lambda grad: grad + float('inf'))
        return losses


@pytest.mark.skipif(torch.cuda.is_available(), reason='the CPU form')
def test_T11_an_overflow_in_the_first_pass_moves_nothing():
    model = toy(Overflowing)
    model.bad = (1,)
    before = copy.deepcopy(model)
    wrapper = amp(model, 1024.0, rule=dict(rho=0.5))
    steps(model, wrapper, 1)
    first, second = model.calls
    assert all(torch.equal(first[name], second[name]) for name in first)
    for p, q in zip(model.parameters(), before.parameters(), strict=True):
        assert torch.equal(p, q)  # the hook stays, so the second pass overflows too: step skipped
    assert wrapper.loss_scaler.get_scale() == 512.0


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


def test_T19_one_step_counts_once():
    model = toy()
    wrapper = wrapped(model, accumulative_counts=3)
    wrapper.initialize_count_status(model, 0, 5)
    updates = []
    wrapper.optimizer.register_step_post_hook(lambda *_: updates.append(wrapper.inner_count))
    steps(model, wrapper, 5)
    assert wrapper.inner_count == 5
    assert updates == [3, 5]  # the last group is short


@pytest.mark.parametrize('rho', [0.0, 0.7])
def test_T19_each_micro_batch_is_perturbed_by_itself(rho):
    model = toy(dropout=0.0)
    reference = copy.deepcopy(model)
    wrapper = wrapped(model, rule=dict(rho=rho, params='all'), accumulative_counts=2)
    steps(model, wrapper, 2)

    optimizer = wrapped(reference, OptimWrapper).optimizer
    total = [torch.zeros_like(p) for p in reference.parameters()]
    for number in range(2):
        params = list(reference.parameters())
        grads = torch.autograd.grad(reference(**batch(number))['loss'], params)
        climbed = copy.deepcopy(reference)
        norm = torch.cat([g.flatten() for g in grads]).norm()
        with torch.no_grad():
            for p, g in zip(climbed.parameters(), grads, strict=True):
                p += rho * g / norm
        second = torch.autograd.grad(climbed(**batch(number))['loss'], list(climbed.parameters()))
        total = [a + g / 2 for a, g in zip(total, second, strict=True)]
    for p, g in zip(reference.parameters(), total, strict=True):
        p.grad = g
    optimizer.step()
    for p, q in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(p, q)


def test_T20_clipping_sees_the_second_gradient_once(monkeypatch):
    model = toy()
    wrapper = wrapped(model, rule=dict(rho=1.0), clip_grad=dict(max_norm=0.5))
    seen, firsts, clip, backward = [], [], wrapper.clip_func, wrapper.backward

    def spy(params, **kwargs):
        seen.append([p.grad.clone() for p in params])
        return clip(params, **kwargs)

    wrapper.clip_func = spy

    def noted(loss):
        backward(loss)
        firsts.append(model.body[0].weight.grad.clone())

    monkeypatch.setattr(wrapper, 'backward', noted)
    steps(model, wrapper, 1)
    assert len(seen) == 1 and len(firsts) == 2
    assert torch.equal(seen[0][0], firsts[1])


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


@pytest.mark.parametrize('cls', [SAMOptimWrapper, AmpSAMOptimWrapper])
def test_T23_a_resumed_run_ends_with_the_same_weights(cls):
    whole = toy(dropout=0.0)
    steps(whole, wrapped(whole, cls, rule=dict(rho=0.5)), 4)
    part = toy(dropout=0.0)
    wrapper = wrapped(part, cls, rule=dict(rho=0.5))
    steps(part, wrapper, 2)
    resumed = toy(dropout=0.0)
    resumed.load_state_dict(part.state_dict())
    again = wrapped(resumed, cls, rule=dict(rho=0.5))
    again.load_state_dict(copy.deepcopy(wrapper.state_dict()))
    steps(resumed, again, 2, first=2)
    assert_same_state(resumed, whole)


def test_T23_checkpoints_hold_what_those_of_the_base_hold():
    model, plain = toy(), toy()
    ours, base = wrapped(model), wrapped(plain, OptimWrapper)
    steps(model, ours)
    steps(plain, base)
    assert ours.state_dict().keys() == base.state_dict().keys()
    ours.load_state_dict(copy.deepcopy(base.state_dict()))
    base.load_state_dict(copy.deepcopy(wrapped(toy(), AmpSAMOptimWrapper).state_dict()))


@pytest.mark.parametrize('rule', [
    dict(type='SAM', rho=1.0), dict(type='ASAM'), dict(type='AdaSAP'), dict(type='AWP')])
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


def test_T25_a_loss_made_outside_the_model_is_refused():
    class Doubling(Toy):
        def train_step(self, data, optim_wrapper):
            with optim_wrapper.optim_context(self):
                loss = self(**data, mode='loss')['loss']
            optim_wrapper.update_params(2 * loss)

    model = toy(Doubling)
    with pytest.raises(ValueError, match='not the one that Doubling returned'):
        model.train_step(batch(), wrapped(model))
    model.train_step(batch(), wrapped(model, rule=None))


def test_T25_a_plain_module_that_returns_its_loss_is_enough():
    class Loss(nn.Linear):
        def forward(self, x):
            return super().forward(x).square().mean()

    model = Loss(3, 1)
    wrapper = wrapped(model)
    with wrapper.optim_context(model):
        loss = model(torch.ones(1, 3))
    wrapper.update_params(loss)
    assert wrapper.inner_count == 1


def test_T26_several_forward_calls_are_refused_by_the_models_name():
    class Twice(Toy):
        def train_step(self, data, optim_wrapper):
            with optim_wrapper.optim_context(self):
                self(**data, mode='loss')
                loss = self(**data, mode='loss')['loss']
            optim_wrapper.update_params(loss)

    model = toy(Twice)
    with pytest.raises(ValueError, match='Twice was called 2 times inside optim_context'):
        model.train_step(batch(), wrapped(model))


def test_T26_a_loss_from_outside_the_context_is_refused():
    model = toy()
    wrapper = wrapped(model)
    with pytest.raises(ValueError, match='whose forward call was not recorded'):
        wrapper.update_params(model(**batch())['loss'])
    wrapper.rule = None
    wrapper.update_params(model(**batch())['loss'])


def test_T26_a_step_without_the_second_pass_is_refused():
    model = toy()
    wrapper = wrapped(model)
    with wrapper.optim_context(model):
        loss = model(**batch())['loss']
    wrapper.backward(loss)
    with pytest.raises(ValueError, match='second pass is still due'):
        wrapper.step()


def test_T26_update_inside_the_context_is_refused():
    model = toy()
    wrapper = wrapped(model)
    with pytest.raises(ValueError, match='called inside optim_context'):
        with wrapper.optim_context(model):
            wrapper.update_params(model(**batch())['loss'])


def test_T27_a_compiled_train_step_is_refused():
    model = toy()
    model.train_step = torch.compile(model.train_step, backend='eager')
    with pytest.raises(ValueError, match='compiled train_step; leave `compile` out'):
        model.train_step(batch(), wrapped(model))


def test_T30_a_skipped_step_is_plain():
    model = toy()
    steps(model, wrapped(model, rule=dict(rho=1.0), interval=2), 4)
    assert len(model.calls) == 6  # 2 + 1 + 2 + 1


def test_T31_at_most_two_copies_more_when_gradients_accumulate():
    class Wide(BaseModel):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(*[nn.Linear(128, 128) for _ in range(6)])

        def forward(self, inputs, data_samples=None, mode='tensor'):
            return dict(loss=self.body(inputs).square().mean())

    def peak(rule):
        model = Wide()
        wrapper = wrapped(model, rule=rule, accumulative_counts=2, log_interval=100)
        data = dict(inputs=torch.randn(2, 128))
        for _ in range(5):
            model.train_step(data, wrapper)  # momentum is there, and half an accumulation
        with PeakMemory() as memory:
            model.train_step(data, wrapper)
        return memory.peak, sum(p.nbytes for p in model.parameters())

    plain, copy_of_weights = peak(None)
    for rule in (dict(type='SAM'), dict(type='ASAM'), dict(type='AdaSAP')):
        assert peak(rule)[0] - plain <= 2.05 * copy_of_weights


def test_gradients_come_by_backward_so_that_reentrant_checkpoints_work():
    class Checkpointed(Toy):
        def forward(self, inputs, data_samples=None, mode='tensor'):
            hidden = self.body[0](inputs)
            out = torch.utils.checkpoint.checkpoint(self.body[1:], hidden, use_reentrant=True)
            self.calls.append({})
            return dict(loss=nn.functional.cross_entropy(out, data_samples))

    assert_zero_radius_is_plain(toy(Checkpointed), [batch(0)])


def test_an_outer_autocast_does_not_keep_the_old_weights():
    model, far = toy(dropout=0.0), []
    optimizer = torch.optim.SGD(model.parameters(), 0.0)

    def closure():
        loss = model(**batch())['loss']
        far.append(float(loss.detach()))
        return loss

    with torch.autocast('cpu', torch.bfloat16):
        sharpness_step.two_pass_step(model, optimizer, SAM(rho=1.0), closure)
    assert far[1] > far[0] + 0.05
