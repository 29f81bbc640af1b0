"""A model that its tensor forward does not trace is pruned by the forward that the recipe names."""

import pytest
import torch
from mmengine.registry import RUNNERS

from mmrobustprune.engine.bridge.model import tensor_forward
from mmrobustprune.engine.pruning.forward import whole_forward
from mmrobustprune.recipes.build import build_recipe
from tests.support.forwards import logits
from tests.support.searching import searched
from tests.support.tiny import classifier, pruned

NAMED = 'tests.support.forwards:logits'
RECIPES = dict(
    adasap=dict(measure=False),
    sr_gkp=dict(groups=4, search='greedy', warmup=None, rounds=None, interval=None),
)


def numbered(folder, recipe='adasap', **fields):
    config = classifier(folder, epochs=3)
    config.model.type = 'Numbered'
    config.custom_imports = dict(imports=['tests.support.tiny', 'tests.support.forwards'])
    config = pruned(config, recipe=recipe, **RECIPES[recipe], **fields)
    config.robust_prune = {key: v for key, v in config.robust_prune.items() if v is not None}
    return config


def test_the_message_names_the_field(tmp_path):
    with pytest.raises(ValueError, match=r"robust_prune.forward='package.module:function'"):
        RUNNERS.build(numbered(tmp_path)).train()


@pytest.mark.parametrize('recipe', RECIPES)
def test_traced_rehearsed_and_certified_by_the_named_forward(tmp_path, recipe):
    runner = RUNNERS.build(numbered(tmp_path, recipe, forward=NAMED))
    before = sum(p.numel() for p in runner.model.parameters())
    runner.train()
    assert sum(p.numel() for p in runner.model.parameters()) < 0.6 * before
    checkpoint = torch.load(tmp_path / 'pruned.pth', weights_only=True)
    assert checkpoint['meta']['mmrobustprune']['structure']['layers']


def test_channels_that_nothing_reads_are_found_by_it_too(tmp_path):
    host = dict(type='HARP', form='channel', input_shape=(3, 16, 16))
    fields = dict(recipe='s2ap_harp', target=0.5, host=host, select='last', gamma=0.001)
    config = searched(tmp_path, attack=None, epochs=3, forward=NAMED, **fields)
    config.model.type = 'Numbered'
    config.custom_imports = dict(imports=['tests.support.tiny', 'tests.support.forwards'])
    RUNNERS.build(config).train()
    assert (tmp_path / 'slim' / 'structure.json').exists()


def test_the_function_is_found_by_its_name():
    assert whole_forward(NAMED) is logits
    assert whole_forward('') is tensor_forward


@pytest.mark.parametrize('path', ['tests.support.forwards:logit', 'tests.support.forward:logits'])
def test_a_function_that_is_not_there_is_refused_at_once(tmp_path, path):
    with pytest.raises(ValueError, match=f"forward='{path}' cannot be loaded"):
        RUNNERS.build(numbered(tmp_path, forward=path))
    assert not list(tmp_path.glob('*.pth'))


def test_what_is_no_name_of_a_function_is_refused():
    with pytest.raises(ValueError, match="forward='my_forward' names no function; write 'package"):
        build_recipe(dict(recipe='adasap', target=0.5, forward='my_forward'))
