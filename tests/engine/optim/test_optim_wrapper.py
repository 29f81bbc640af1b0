"""The sharpness OptimWrappers: configs, the Runner, mixed precision, logs, what is refused."""

import logging

import pytest
import torch
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapperDict, build_optim_wrapper
from mmengine.registry import RUNNERS

from mmrobustprune.engine.optim.optim_wrapper import (
    AdaSAPOptimWrapper,
    AmpAdaSAPOptimWrapper,
    AmpSAMOptimWrapper,
    SAMOptimWrapper,
    SharpnessMixin,
)
from mmrobustprune.sharpness import ASAM, AWP, SAM, AdaSAP
from tests.support.passes import Toy, batch, sgd, toy, wrapped
from tests.support.tiny import classifier

SGD = dict(type='SGD', lr=0.1, momentum=0.9)


@pytest.mark.parametrize('prefix', ['', 'Amp'])
@pytest.mark.parametrize('rule', [SAM, ASAM, AdaSAP, AWP])
def test_every_name_is_registered_and_means_its_rule(prefix, rule):
    name = f'mmrobustprune.{prefix}{rule.__name__}OptimWrapper'
    wrapper = build_optim_wrapper(toy(), dict(type=name, optimizer=SGD))
    assert wrapper.rule == rule() and isinstance(wrapper, SharpnessMixin)


def test_a_config_sets_rule_and_base_fields():
    wrapper = build_optim_wrapper(
        toy(),
        dict(
            type='mmrobustprune.AdaSAPOptimWrapper',
            optimizer=SGD,
            rule=dict(rho_max=1.0),
            accumulative_counts=2,
            clip_grad=dict(max_norm=1.0),
        ),
    )
    assert wrapper.rule == AdaSAP(rho_max=1.0)
    assert wrapper.clip_grad_kwargs == dict(max_norm=1.0) and wrapper._accumulative_counts == 2


def test_types_may_be_classes_and_name_another_rule():
    config = Config(dict(w=dict(type=SAMOptimWrapper, optimizer=SGD, rule=dict(type=AWP))))
    assert build_optim_wrapper(toy(), config.w).rule == AWP()
    assert wrapped(toy(), AdaSAPOptimWrapper, rule=dict(type='ASAM')).rule == ASAM()


def test_the_rule_can_be_replaced_between_steps():
    model = toy()
    wrapper = wrapped(model, rule=None)
    for rule, calls in ((None, 1), (dict(type='ASAM'), 3), (SAM(rho=0.1), 5), (None, 6)):
        wrapper.rule = rule
        model.train_step(batch(), wrapper)
        assert len(model.calls) == calls
    assert wrapper.inner_count == 4


def test_the_rule_gets_the_names_of_the_bare_model():
    model, wrapper = toy(), None
    wrapper = wrapped(model, AdaSAPOptimWrapper)
    wrapper.rule.set_scores({'body.0.weight': torch.arange(8.0)})
    model.train_step(batch(), wrapper)
    first, second = model.calls
    change = (second['body.0.weight'] - first['body.0.weight']).abs().sum(1)
    assert change[0] > 10 * change[7] > 0
    wrapper.rule.set_scores({'module.body.0.weight': torch.arange(8.0)})
    with pytest.raises(ValueError, match="'module.body.0.weight', which is no parameter"):
        model.train_step(batch(), wrapper)


def test_sharpness_and_gradient_norm_are_logged_every_n_steps():
    hub = MessageHub.get_instance('sharpness-test')
    model = toy(dropout=0.0)
    wrapper = wrapped(model, rule=dict(rho=0.5), log_interval=3, accumulative_counts=1)
    wrapper.message_hub = hub
    loss = model(**batch(0))['loss']
    grads = torch.autograd.grad(loss, list(model.parameters()))
    for number in range(4):
        model.train_step(batch(number), wrapper)
    sharpness, norm = (
        hub.get_scalar(f'train/{name}').data[0] for name in ('sharpness', 'grad_norm_w')
    )
    assert len(sharpness) == 2 and sharpness.min() > 0
    assert norm[0] == pytest.approx(torch.cat([g.flatten() for g in grads]).norm().item(), rel=1e-5)


def test_the_logged_norm_knows_accumulation_and_loss_scale():
    norms = []
    for kwargs, scale in ((dict(), None), (dict(accumulative_counts=4), 2.0**10)):
        model = toy(dropout=0.0)
        wrapper = wrapped(model, AmpSAMOptimWrapper, **kwargs)
        wrapper.cast_dtype = torch.bfloat16
        if scale:
            wrapper.loss_scaler = torch.amp.GradScaler('cpu', init_scale=scale)
        wrapper.log = lambda name, value: norms.append(float(value())) if 'norm' in name else None
        model.train_step(batch(), wrapper)
    assert norms[0] == pytest.approx(norms[1], rel=1e-3)


@pytest.mark.skipif(torch.cuda.is_available(), reason='the CPU form')
def test_mixed_precision_without_a_gpu_says_so_in_one_line(monkeypatch):
    lines, types = [], []
    monkeypatch.setattr(
        'mmrobustprune.compat.amp.print_log', lambda text, *args, **kwargs: lines.append(text)
    )

    class Typed(Toy):
        def forward(self, inputs, data_samples=None, mode='tensor'):
            types.append(self.body[0](inputs).dtype)
            return super().forward(inputs, data_samples, mode)

    model = toy(Typed)
    wrapper = wrapped(model, AmpAdaSAPOptimWrapper, dtype='float16', loss_scale=512.0)
    assert [line for line in lines if 'AMP' in line] == [
        'AMP on a CPU: autocast to bfloat16, no loss scaling.'
    ]
    model.train_step(batch(), wrapper)
    assert types == [torch.bfloat16] * 2
    assert 'loss_scaler' not in wrapper.state_dict()
    wrapper.load_state_dict({**wrapper.state_dict(), 'loss_scaler': dict(scale=4.0)})


def test_T29_the_runner_trains_by_config_and_resumes_plain_checkpoints(tmp_path):
    # the data_preprocessor stands outside `model`, as in mmpretrain's configs
    config = classifier(tmp_path, epochs=2)
    config.experiment_name = 'plain-then-sharp'
    config.train_cfg.max_epochs = 1
    RUNNERS.build(Config(config.to_dict())).train()

    config.train_cfg.max_epochs = 2
    config.experiment_name = 'sharp'
    config.resume = True
    config.optim_wrapper = dict(
        type='mmrobustprune.AdaSAPOptimWrapper',
        optimizer=config.optim_wrapper.optimizer,
        rule=dict(rho_max=2.0),
        log_interval=1,
    )
    runner = RUNNERS.build(config)
    runner.train()
    assert runner.iter == 12 and runner.optim_wrapper.inner_count == 12
    assert runner.message_hub.get_scalar('train/sharpness').data[0].size == 6
    counts = [b for name, b in runner.model.named_buffers() if name.endswith('num_batches_tracked')]
    assert counts and all(count == 12 for count in counts)


def test_T28_a_child_config_keeps_the_hooks_of_ssd512(tmp_path):
    base = get_config('mmdet::pascal_voc/ssd512_voc0712.py')
    file = tmp_path / 'child.py'
    file.write_text(
        "_base_ = 'mmdet::pascal_voc/ssd512_voc0712.py'\n"
        "optim_wrapper = dict(type='mmrobustprune.SAMOptimWrapper', rule=dict(rho=0.1))\n"
    )
    child = Config.fromfile(file)
    types = [hook.type for hook in base.custom_hooks]
    assert [hook.type for hook in child.custom_hooks] == types and len(types) == 2
    wrapper = build_optim_wrapper(toy(), child.optim_wrapper)
    assert wrapper.rule == SAM(rho=0.1)
    assert wrapper.optimizer.defaults['lr'] == base.optim_wrapper.optimizer.lr


def test_several_optimizers_are_refused_by_name():
    model = toy()
    several = OptimWrapperDict(a=wrapped(model))
    with pytest.raises(ValueError, match='takes one torch optimizer, not OptimWrapperDict'):
        SAMOptimWrapper(several)

    class MMSeparateDistributedDataParallel(Toy):
        pass

    other = toy(MMSeparateDistributedDataParallel)
    with pytest.raises(ValueError, match='MMSeparateDistributedDataParallel and OptimWrapperDict'):
        other.train_step(batch(), wrapped(other))


@pytest.mark.parametrize('name', ['FullyShardedDataParallel', 'FSDPModule', 'DeepSpeedEngine'])
def test_sharded_models_are_refused_before_the_first_batch(name):
    model = toy(type(name, (Toy,), {}))
    with pytest.raises(ValueError, match=f'do not work under {name}'):
        wrapped(model).initialize_count_status(model, 0, 10)
    wrapped(model, rule=None).initialize_count_status(model, 0, 10)


def test_fsdp_loss_scaling_is_refused():
    with pytest.raises(ValueError, match='use_fsdp=True'):
        AmpSAMOptimWrapper(sgd(toy()), use_fsdp=True)


@pytest.mark.parametrize(
    'fields, words',
    [
        (dict(interval=0), 'interval=0 is no whole number'),
        (dict(log_interval=1.5), 'log_interval=1.5 is no whole number'),
        (dict(rule=dict(rho_mx=1)), "field of rule SAM 'rho_mx'"),
        (dict(rule=dict(type='Sam')), "did you mean 'SAM'"),
    ],
)
def test_bad_fields_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        wrapped(toy(), **fields)


def test_logging_is_quiet_otherwise(caplog):
    with caplog.at_level(logging.WARNING):
        model = toy()
        model.train_step(batch(), wrapped(model))
    assert not caplog.records
