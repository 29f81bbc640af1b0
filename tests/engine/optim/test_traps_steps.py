"""Traps of two-pass training: how a step is made and counted, by the numbers of the trap list."""

import copy

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import nn

from benchmarks.peak_memory import PeakMemory
from mmrobustprune.engine.optim.optim_wrapper import AmpSAMOptimWrapper, SAMOptimWrapper
from mmrobustprune.sharpness import SAM
from mmrobustprune.sharpness import step as sharpness_step
from tests.support.passes import (
    Toy,
    assert_same_state,
    assert_zero_radius_is_plain,
    batch,
    steps,
    toy,
    wrapped,
)


def amp(model, scale=None, **kwargs):
    """The AMP wrapper; a scale makes it scale losses as it would on a GPU."""
    wrapper = wrapped(model, AmpSAMOptimWrapper, **kwargs)
    if scale is not None:
        wrapper.loss_scaler = torch.amp.GradScaler('cpu', init_scale=scale)
    return wrapper


@pytest.mark.skipif(torch.cuda.is_available(), reason='the CPU form')
def test_T09_the_second_pass_casts_the_perturbed_weights(monkeypatch):
    model, losses = toy(dropout=0.0), []
    monkeypatch.setattr(
        'mmrobustprune.engine.optim.passes.warn_if_far',
        lambda rule, clean, far: losses.append((far - clean).item()),
    )
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
    with pytest.raises(
        ValueError, match=r'compiled train_step; let optim_wrapper=dict\(compile=True\)'
    ):
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
