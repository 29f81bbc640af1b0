"""The memory order reaches every convolution, changes rounding alone, and survives a removal."""

import pytest
import torch
from mmpretrain.registry import MODELS

from mmrobustprune.engine import PruneRunner
from mmrobustprune.engine.bridge.channels_last import channels_last
from tests.support.tiny import classifier, pruned


def test_every_convolution_behind_the_hook_runs_in_that_order():
    model = MODELS.build(dict(type='mmpretrain.MobileNetV2'))
    model.eval()
    seen = []
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda _, inputs, out: seen.append(
                    out.is_contiguous(memory_format=torch.channels_last)
                )
            )
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        plain = model(images)[-1]
        assert not all(seen)
        seen.clear()
        model.register_forward_pre_hook(channels_last)
        ordered = model(images)[-1]
    assert all(seen) and len(seen) == 52
    torch.testing.assert_close(ordered, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_pruning_run_is_the_same_up_to_rounding(tmp_path):
    losses = {}
    for name, hooks in dict(
        plain=[], ordered=[dict(type='mmrobustprune.ChannelsLastHook')]
    ).items():
        runner = PruneRunner.from_cfg(
            pruned(classifier(tmp_path / name, custom_hooks=hooks), scope='layer')
        )
        runner.train()
        assert len(runner.model.backbone._forward_pre_hooks) == len(hooks)
        losses[name] = runner.message_hub.get_scalar('train/loss').data[0]
        assert (
            runner.model.backbone.conv1.out_channels < 8
            or runner.model.backbone.layer1[0].conv1.out_channels < 8
        )
    assert losses['plain'][:2].tolist() == pytest.approx(losses['ordered'][:2].tolist(), rel=1e-3)
