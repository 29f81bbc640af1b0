"""What the end of a training would meet is met at its start."""

import copy

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, OPTIMIZERS, RUNNERS
from torch import nn

from mmrobustprune.engine.pruning.rehearsal import check_copy, removed
from mmrobustprune.surgery import prune_channels
from tests.support.networks import Residual
from tests.support.tiny import TinyImages, classifier, pruned


def half(model):
    """The structure of half of the channels, found on a copy."""
    return prune_channels(copy.deepcopy(model), torch.randn(2, 3, 5, 5), 0.5, scope='layer')


def test_a_network_is_as_it_was_bit_for_bit_after_a_rehearsal():
    model = Residual()
    model(torch.randn(4, 3, 5, 5)).sum().backward()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    parameters = dict(model.named_parameters())
    before = [dict(vars(module)) for module in model.modules()]
    images = torch.randn(4, 3, 5, 5)
    dense = model(images)
    state.update({name: value.clone() for name, value in model.state_dict().items()})
    with removed(model, half(model)) as small:
        assert small is model and model.stem.out_channels == 3
        model(images)  # the statistics of norms move
        model.seen = images
    assert dict(model.named_parameters()).keys() == parameters.keys()
    assert all(value is parameters[name] for name, value in model.named_parameters())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    for module, attributes in zip(model.modules(), before, strict=True):
        assert vars(module).keys() == attributes.keys()
        assert all(vars(module)[key] == attributes[key] for key in ('training', '_forward_hooks'))
    assert model.stem.out_channels == 6 and torch.equal(model(images), dense)


def test_it_is_so_after_a_failure_too():
    model = Residual()
    with pytest.raises(RuntimeError), removed(model, half(model)):
        model(torch.randn(2, 4, 5, 5))
    assert model(torch.randn(2, 3, 5, 5)).shape == (2, 3)


class Closure(nn.Module):
    """Its second layer is reached by a method that the constructor took from the object."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(4, 2)
        self.call = lambda x, layer=self.second: layer(x)

    def forward(self, x):
        return self.call(self.first(x))


def test_a_copy_that_calls_the_original_is_noticed():
    model = Closure()
    images = torch.randn(2, 3)
    with pytest.raises(ValueError, match="copy of Closure still calls 'second' of the network"):
        check_copy(model, copy.deepcopy(model), lambda network: network(images))
    plain = Residual()
    images = torch.randn(2, 3, 5, 5)
    check_copy(plain, copy.deepcopy(plain), lambda network: network(images))
    assert not any(module._forward_pre_hooks for module in plain.modules())


def test_the_copy_is_called_as_in_a_test():
    """In training mmdet's DETR family gives its heads more than their forward takes."""
    twin = Residual().train()
    before = copy.deepcopy(twin.state_dict())
    modes = []

    def call(network):
        modes.extend(module.training for module in network.modules())
        network(torch.randn(2, 3, 5, 5))

    check_copy(Residual(), twin, call)
    assert not any(modes) and all(module.training for module in twin.modules())
    assert all(torch.equal(value, before[name]) for name, value in twin.state_dict().items())


@DATASETS.register_module(force=True)
class TwoTaskImages(TinyImages):
    """Each image has a label for each of two tasks."""

    def load_data_list(self):
        data = super().load_data_list()
        for info in data:
            info['gt_label'] = dict(colour=info['gt_label'], red=int(info['gt_label'] == 0))
        return data


def test_a_head_whose_copies_call_the_original_is_pruned(tmp_path):
    """MultiTaskHead wraps the losses of its heads in closures over the heads that it was given."""
    config = classifier(tmp_path, epochs=3)
    heads = dict(
        colour=dict(type='LinearClsHead', num_classes=3),
        red=dict(type='LinearClsHead', num_classes=2),
    )
    config.model.head = dict(type='MultiTaskHead', task_heads=heads, in_channels=64)
    config.train_dataloader.dataset = dict(
        type='TwoTaskImages',
        pipeline=[dict(type='PackMultiTaskInputs', multi_task_fields=['gt_label'])],
    )
    config = pruned(config, scope='layer', measure=False)
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    runner = RUNNERS.build(config)
    head = runner.model.head.task_heads['colour']
    assert copy.deepcopy(head).loss.__closure__ is not None  # the original is in there
    before = sum(p.numel() for p in runner.model.parameters())
    runner.train()
    assert sum(p.numel() for p in runner.model.parameters()) < 0.55 * before
    assert head.fc.in_features < 64


@pytest.mark.parametrize('optimizer', ['TorchAdafactor', 'Adafactor'])
def test_a_state_of_another_shape_is_refused_before_anything_trains(tmp_path, optimizer):
    if optimizer not in OPTIMIZERS:
        pytest.skip(f'{optimizer} is not installed')
    config = classifier(tmp_path, optim_wrapper=dict(optimizer=dict(type=optimizer)))
    runner = RUNNERS.build(pruned(config, measure=False))
    with pytest.raises(ValueError, match=r"Adafactor keeps '\w+' of shape .* cannot lose channels"):
        runner.train()
    assert runner.iter == 0 and not list(tmp_path.glob('*.pth'))
    assert not runner.optim_wrapper.optimizer.state


@OPTIMIZERS.register_module()
class BesideItsState(torch.optim.SGD):
    """Keeps its momentum where no removal finds it."""

    @torch.no_grad()
    def step(self, closure=None):
        self.velocity = vars(self).get('velocity', {})
        for group in self.param_groups:
            for number, parameter in enumerate(group['params']):
                before = self.velocity.get(number, torch.zeros_like(parameter))
                self.velocity[number] = 0.9 * before + parameter.grad
                parameter.sub_(group['lr'] * self.velocity[number])


def test_an_optimizer_that_no_removal_can_follow_is_refused_before_anything_trains(tmp_path):
    config = classifier(tmp_path, optim_wrapper=dict(optimizer=dict(type='BesideItsState', lr=0.1)))
    runner = RUNNERS.build(pruned(config, measure=False))
    with pytest.raises(ValueError, match='BesideItsState cannot go on after the removal'):
        runner.train()
    assert runner.iter == 0


@pytest.mark.parametrize(
    'optimizer',
    [dict(type='SGD', lr=0.05, momentum=0.9), dict(type='Adam', amsgrad=True), dict(type='Rprop')],
    ids=lambda config: config['type'],
)
def test_the_rehearsal_changes_nothing(tmp_path, optimizer):
    """Weights, averages, optimizer state, gradients and random numbers stand where they stood."""
    ema = [dict(type='EMAHook', momentum=0.1)]
    changes = dict(optim_wrapper=dict(optimizer=optimizer), custom_hooks=ema)
    runner = RUNNERS.build(pruned(classifier(tmp_path, **changes), measure=False))
    watch = Watch()
    runner.register_hook(watch, 'HIGHEST')
    runner.register_hook(Compare(watch), 'LOWEST')
    runner.train()
    assert watch.compared


def standing(runner):
    average = next(hook for hook in runner.hooks if type(hook).__name__ == 'EMAHook').ema_model
    state = {f'own.{name}': value.clone() for name, value in runner.model.state_dict().items()}
    state |= {f'ema.{name}': value.clone() for name, value in average.state_dict().items()}
    state['random'] = torch.get_rng_state()
    return state


class Watch(Hook):
    """Keeps how everything stands before the pruning begins."""

    compared = False

    def before_train(self, runner):
        self.state = standing(runner)


class Compare(Hook):
    """Compares with how it stands once the rehearsal is done."""

    def __init__(self, watch):
        self.watch = watch

    def before_train(self, runner):
        after = standing(runner)
        assert after.keys() == self.watch.state.keys()
        for name, value in self.watch.state.items():
            assert torch.equal(value, after[name]), name
        assert not runner.optim_wrapper.optimizer.state
        assert all(parameter.grad is None for parameter in runner.model.parameters())
        self.watch.compared = True


class Teacher(Hook):
    """Holds a network that the removal does not know."""

    def before_run(self, runner):
        self.teacher = copy.deepcopy(runner.model)


def test_a_hook_with_a_network_of_its_own_is_named(tmp_path):
    runner = RUNNERS.build(pruned(classifier(tmp_path, epochs=3), measure=False))
    runner.register_hook(Teacher())
    said = []
    runner.logger.warning = lambda text, *rest: said.append(str(text))
    runner.train()
    del runner.logger.warning
    assert [line for line in said if 'Teacher keeps a network of its own' in line]
