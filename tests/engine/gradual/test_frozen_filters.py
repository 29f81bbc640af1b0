"""Filters that do not learn between norms that do, in a whole training."""

import json

import torch
from mmengine.registry import RUNNERS

from tests.support.tiny import classifier, pruned


def test_filters_that_are_frozen_between_norms_that_learn_are_scored_by_their_size(tmp_path):
    """No gradient says what their units are worth, and the magnitudes rank them as they are."""
    config = pruned(classifier(tmp_path, epochs=3), recipe='taylor', target=0.4, measure=False)
    runner = RUNNERS.build(config)
    block = runner.model.backbone.layer3[0]
    block.conv1.weight.requires_grad = False
    with torch.no_grad():  # the first half of the units is small on both sides
        block.conv1.weight[:16] *= 0.01
        block.conv2.weight[:, :16] *= 0.01
    order = []

    def note(text, *rest):
        hook = next(hook for hook in runner.hooks if hasattr(hook, 'pruning'))
        if str(text).startswith('round 1/'):
            order.append(hook.pruning.masks.alive['backbone.layer3.0.conv1'].clone())

    runner.logger.info = note
    runner.train()
    del runner.logger.info
    (alive,) = order
    assert not alive[:16].all() and alive[16:].all()
    record = json.loads((tmp_path / 'structure.json').read_text())['layers']
    assert 'out' in record['backbone.layer3.0.conv1']
