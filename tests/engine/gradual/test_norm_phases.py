"""Gradual pruning of streams under norms across channels, inside a training."""

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook
from mmengine.registry import MODELS, RUNNERS

from mmrobustprune.engine.gradual.hook import PrunePhaseHook
from mmrobustprune.structure import rebuild
from tests.support.tiny import classifier, pruned

STAGES = dict(depths=[1, 1], channels=[8, 16])
CONVNEXT = dict(type='ConvNeXt', arch=STAGES, stem_patch_size=2, out_indices=[1])
BACKBONES = {
    'ConvNeXt': CONVNEXT,
    'ConvNeXt V2': dict(CONVNEXT, use_grn=True, layer_scale_init_value=0.0),
    'PoolFormer': dict(
        type='PoolFormer',
        arch=dict(
            layers=[1, 1], embed_dims=[8, 16], mlp_ratios=[2, 2], layer_scale_init_value=1e-5
        ),
        in_patch_size=3,
        in_stride=2,
        in_pad=1,
        down_patch_size=3,
        down_stride=2,
        down_pad=1,
        out_indices=[2],
    ),
    'ResNet with group norms': dict(
        type='ResNet_CIFAR',
        depth=18,
        stem_channels=8,
        base_channels=8,
        num_stages=2,
        strides=(1, 2),
        dilations=(1, 1),
        out_indices=(1,),
        norm_cfg=dict(type='GN', num_groups=2),
    ),
}
SLOW = {'ConvNeXt', 'PoolFormer'}


def run(folder, name, **changes):
    config = classifier(
        folder,
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3)),
        custom_hooks=[dict(type='EMAHook', momentum=0.1)],
        **changes,
    )
    config.model.backbone = BACKBONES[name]
    if 'ConvNeXt' in name:  # it pools by itself
        config.model.pop('neck')
    config.model.head.in_channels = 16
    runner = RUNNERS.build(pruned(config, recipe='magnitude', target=0.3, scope='layer'))
    runner.train()
    return runner


def average(runner):
    return next(hook for hook in runner.hooks if isinstance(hook, EMAHook)).ema_model.module


def keep_masked(hook, runner):
    """Instead of the removal: go on with the masks, and remember what would have gone."""
    if hook.structure is None:
        hook.would_remove = hook.pruning.structure()


def assert_equal(found, expected):
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], value, rtol=2e-3, atol=2e-4, msg=name)


@pytest.mark.parametrize(
    'name',
    [
        pytest.param(n, marks=[pytest.mark.slow] * (n in ('ConvNeXt', 'PoolFormer')))
        for n in BACKBONES
    ],
)
def test_the_removal_changes_no_step(tmp_path, monkeypatch, name):
    removed = run(tmp_path / 'removed', name)
    monkeypatch.setattr(PrunePhaseHook, '_remove', keep_masked)
    masked = run(tmp_path / 'masked', name)
    hook = next(h for h in masked.hooks if isinstance(h, PrunePhaseHook))
    norms = {'layernorm', 'groupnorm', 'grn'}
    assert norms & {record['kind'] for record in hook.would_remove.layers.values()}
    assert_equal(removed.model, rebuild(masked.model, hook.would_remove))
    assert_equal(average(removed), rebuild(average(masked), hook.would_remove))
    config = Config.fromfile(tmp_path / 'removed' / 'pruned.py')
    stock = MODELS.build(config.model)
    saved = torch.load(tmp_path / 'removed' / 'pruned.pth', weights_only=True)
    stock.load_state_dict(saved['state_dict'])


def test_a_run_that_is_resumed_under_masks_is_the_one_that_was_not(tmp_path, monkeypatch):
    """The masks of the second round stand in the checkpoint, with the averages'."""
    monkeypatch.setattr(PrunePhaseHook, '_remove', keep_masked)
    name = 'ResNet with group norms'
    whole = run(tmp_path / 'whole', name)
    source = str(tmp_path / 'whole' / 'epoch_2.pth')
    again = run(tmp_path / 'again', name, load_from=source, resume=True)
    for one, other in ((whole.model, again.model), (average(whole), average(again))):
        assert all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))
        hooked = [bool(layer._forward_hooks) for layer in one.modules()]
        assert hooked == [bool(layer._forward_hooks) for layer in other.modules()] and any(hooked)
