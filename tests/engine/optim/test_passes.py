"""The passes of an OptimWrapper's step, for every ascent."""

import copy

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper

from mmrobustprune.engine.optim.optim_wrapper import AmpSAMOptimWrapper, SAMOptimWrapper, set_rule
from mmrobustprune.sharpness.build import ASCENTS
from tests.support.passes import Each, Toy, assert_same_state, batch, seed_all, steps, toy, wrapped

KINDS = {
    'plain': (SAMOptimWrapper, OptimWrapper, dict(clip_grad=dict(max_norm=0.5))),
    'accumulated': (SAMOptimWrapper, OptimWrapper, dict(accumulative_counts=2)),
    'mixed': (AmpSAMOptimWrapper, None, dict(accumulative_counts=2)),
}


def of(kind, model, ascent, rho, **kwargs):
    cls, _, fields = KINDS[kind]
    return wrapped(model, cls, rule=dict(rho=rho), ascent=ascent, **fields, **kwargs)


@pytest.mark.parametrize('ascent', ASCENTS)
@pytest.mark.parametrize('kind', KINDS)
def test_T01_zero_radius_is_plain_training(ascent, kind):
    cls, base, fields = KINDS[kind]
    plain, model = toy(Each), toy(Each)
    average, expected = ExponentialMovingAverage(model), ExponentialMovingAverage(plain)
    wrapper = of(kind, model, ascent, 0.0)
    other = wrapped(plain, base or cls, **fields, **({} if base else dict(rule=None)))
    for number in range(7):
        for network, optim, mean in ((model, wrapper, average), (plain, other, expected)):
            seed_all(number)
            network.train_step(batch(number), optim)
            mean.update_parameters(network)
    assert_same_state(model, plain)
    assert_same_state(average, expected)
    assert not model._forward_pre_hooks and not model._forward_hooks


@pytest.mark.parametrize('ascent', ASCENTS)
@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('done', [2, 6])
def test_T23_a_resumed_run_ends_with_the_same_weights(tmp_path, ascent, kind, done):
    def go_on(model, wrapper, numbers):
        wrapper.initialize_count_status(model, numbers[0], 12)
        return steps(model, wrapper, len(numbers), numbers[0])

    whole = toy(Each, dropout=0.0)
    go_on(whole, of(kind, whole, ascent, 0.5), range(12))
    part = toy(Each, dropout=0.0)
    wrapper = of(kind, part, ascent, 0.5)
    go_on(part, wrapper, range(done))
    torch.save((part.state_dict(), wrapper.state_dict()), tmp_path / 'checkpoint.pth')
    weights, state = torch.load(tmp_path / 'checkpoint.pth', weights_only=True)
    resumed = toy(Each, dropout=0.0)
    again = of(kind, resumed, ascent, 0.5)
    resumed.load_state_dict(weights)
    again.load_state_dict(state)
    go_on(resumed, again, range(done, 12))
    assert_same_state(resumed, whole)
    wrapped(toy(), OptimWrapper).load_state_dict(copy.deepcopy(state))


def test_the_gradient_before_is_that_of_the_step_before_whatever_the_interval():
    model = toy(dropout=0.0)
    wrapper = wrapped(model, rule=dict(rho=0.5), ascent='previous', interval=2)
    taken = []
    weight = model.body[0].weight
    wrapper.optimizer.register_step_pre_hook(lambda *_: taken.append(weight.grad.clone()))
    for number in range(4):
        steps(model, wrapper, 1, number)
        assert torch.equal(wrapper.optimizer.state[weight]['previous_gradient'], taken[-1])
    calls = [call['body.0.weight'] for call in model.calls]
    plain = toy(dropout=0.0)
    steps(plain, wrapped(plain, OptimWrapper), 2)
    assert torch.equal(calls[1], plain.calls[1]['body.0.weight'])  # the second stays where it is


class Failing(Each):
    """Fails in its n-th call from now, or just after it."""

    left = 0
    late = False

    def forward(self, inputs, data_samples=None, mode='tensor'):
        losses = super().forward(inputs, data_samples, mode)
        self.left -= 1
        if self.left == 0 and not self.late:
            raise RuntimeError('out of memory')
        return losses

    def parse_losses(self, losses):
        if self.left == 0 and self.late:
            raise RuntimeError('out of memory')
        return super().parse_losses(losses)


@pytest.mark.parametrize('ascent', ASCENTS)
@pytest.mark.parametrize('late', [False, True])
@pytest.mark.parametrize('left', [1, 2])
def test_T18_an_error_leaves_the_weights(ascent, late, left):
    model = toy(Failing, dropout=0.0)
    wrapper = wrapped(model, rule=dict(rho=1.0), ascent=ascent)
    steps(model, wrapper, 2)
    before = []
    model.left = left
    model.late = late
    with pytest.raises(RuntimeError, match='out of memory'):
        for number in range(2):
            before = [p.detach().clone() for p in model.parameters()]
            model.train_step(batch(number), wrapper)
    model.late = False
    wrapper.rule = None  # a step that nothing perturbs begins at the weights themselves
    model.train_step(batch(), wrapper)
    assert all(
        torch.equal(p, model.calls[-1][name])
        for p, (name, _) in zip(before, model.named_parameters(), strict=True)
    )


@pytest.mark.parametrize('ascent', ASCENTS)
@pytest.mark.skipif(torch.cuda.is_available(), reason='the CPU form')
def test_T10_T11_loss_scales_change_nothing_and_overflows_pass(ascent):
    class Overflowing(Each):
        """Infinite gradients in the calls that are named."""

        bad = ()

        def forward(self, inputs, data_samples=None, mode='tensor'):
            losses = super().forward(inputs, data_samples, mode)
            factor = float('inf') if len(self.calls) in self.bad else 1.0
            return dict(loss=losses['loss'] * factor)

    def run(scale, bad):
        model = toy(Overflowing, dropout=0.0)
        model.bad = bad
        wrapper = of('mixed', model, ascent, 0.5, clip_grad=dict(max_norm=1.0))
        if scale:
            wrapper.loss_scaler = torch.amp.GradScaler('cpu', init_scale=scale)
        steps(model, wrapper, 8)
        return model

    scaled, plain = run(65536.0, ()), run(None, ())
    for p, q in zip(scaled.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(p, q)
    # the first update and a later one are skipped
    skipping = run(1024.0, (1, 2, 3, 4, 7, 8))
    assert all(torch.isfinite(p).all() for p in skipping.parameters())


def test_micro_batches_of_one_update_share_what_is_known_before():
    model = toy(dropout=0.0)
    wrapper = wrapped(model, rule=dict(rho=0.5), ascent='previous', accumulative_counts=2)
    held = []
    wrapper.optimizer.register_step_pre_hook(
        lambda *_: held.append([p.grad.clone() for p in model.parameters()])
    )
    steps(model, wrapper, 4)
    assert len(model.calls) == 4 and len(held) == 2
    norm = torch.cat([grad.flatten() for grad in held[0]]).norm()
    third, fourth = model.calls[2:]
    assert all(torch.equal(third[name], fourth[name]) for name in third)
    plain = toy(dropout=0.0)
    steps(plain, wrapped(plain, OptimWrapper, accumulative_counts=2), 2)
    for (name, p), grad in zip(plain.named_parameters(), held[0], strict=True):
        torch.testing.assert_close(third[name], p + 0.5 * grad / norm)


@pytest.mark.parametrize(
    'ascent, passes', [('fresh', 6), ('previous', 3), ('momentum', 3), ('look', 4), ('sampled', 6)]
)
def test_what_a_step_costs_and_says(ascent, passes):
    model = toy(Each)
    wrapper = wrapped(model, rule=dict(rho=0.05), ascent=ascent)
    steps(model, wrapper, 3)
    assert len(model.calls) == passes and wrapper.inner_count == 3
    assert (wrapper.perturbed_loss is None) == (ascent not in ('fresh', 'part'))


@pytest.mark.parametrize('ascent', ASCENTS)
def test_the_preprocessor_and_its_attack_see_the_weights_themselves(ascent):
    model = toy(Each)
    wrapper = wrapped(model, rule=dict(rho=1.0), ascent=ascent)
    steps(model, wrapper, 1)
    ends, seen = [], []
    model.data_preprocessor.register_forward_hook(
        lambda *_: seen.append(model.body[0].weight.detach().clone())
    )
    for number in range(3):
        ends.append(model.body[0].weight.detach().clone())
        model.train_step(batch(number), wrapper)
    assert all(torch.equal(a, b) for a, b in zip(seen, ends, strict=True))


def test_one_pass_takes_models_that_are_called_several_times():
    class Twice(Toy):
        def train_step(self, data, optim_wrapper):
            with optim_wrapper.optim_context(self):
                losses = [self(**data, mode='loss')['loss'] for _ in range(2)]
            optim_wrapper.update_params(sum(losses))

    model = toy(Twice)
    steps(model, wrapped(model, ascent='momentum'), 2)
    assert len(model.calls) == 4
    with pytest.raises(ValueError, match='Twice was called 2 times inside optim_context'):
        steps(model, wrapped(model), 1)


class Popping(Each):
    """Takes the labels out of its samples, so that these cannot be passed again."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        labels = torch.stack([sample.pop('label') for sample in data_samples])
        return super().forward(inputs, labels, mode)


@pytest.mark.parametrize('ascent', ASCENTS)
def test_T05_every_pass_is_of_samples_that_no_other_has_changed(ascent):
    model = toy(Popping)
    wrapper = wrapped(model, rule=dict(rho=0.05), ascent=ascent)
    data = batch()
    data['data_samples'] = [dict(label=label) for label in data['data_samples']]
    for _ in range(2):
        model.train_step(data, wrapper)
    assert wrapper.inner_count == 2


@pytest.mark.parametrize('ascent', ASCENTS)
def test_a_loss_of_no_call_is_refused(ascent):
    model = toy()
    wrapper = wrapped(model, ascent=ascent)
    with wrapper.optim_context(model):
        loss = model.forward(**batch())['loss'].mean()
    with pytest.raises(ValueError, match='Toy was called 0 times inside optim_context'):
        wrapper.update_params(loss)


def test_an_optimizer_that_does_not_fit_is_refused_before_the_first_batch():
    model = toy()
    still = torch.optim.SGD(model.parameters(), 0.1)
    wrapper = SAMOptimWrapper(still, ascent='momentum', rule=None)
    wrapper.initialize_count_status(model, 0, 10)
    with pytest.raises(ValueError, match='SGD has none; set momentum=0.9'):
        set_rule(wrapper, dict(type='SAM'), 'momentum')
    with pytest.raises(ValueError, match='SGD has none; set momentum=0.9'):
        wrapper.initialize_count_status(model, 0, 10)
    with pytest.raises(ValueError, match=r"ascent 'moment' \(did you mean 'momentum'\?\)"):
        SAMOptimWrapper(still, ascent='moment')


def test_one_loss_for_all_samples_is_refused_where_each_is_needed():
    model = toy()
    with pytest.raises(ValueError, match="and Toy gives one 'loss' for all; write loss=dict"):
        steps(model, wrapped(model, ascent='part'), 1)
    model = toy(Each)
    wrapper = wrapped(model, ascent=dict(type='part', samples=0.25))
    sizes = []
    model.body.register_forward_hook(lambda module, args, output: sizes.append(len(output)))
    steps(model, wrapper, 1)
    assert sizes == [16, 16, 4]
