"""Accuracy with a part of one group gone."""

import copy
import json

import pytest
import torch

from mmrobustprune.dependency.tracing import trace
from mmrobustprune.engine.analysis import sensitivity as module
from mmrobustprune.engine.analysis.sensitivity import SensitivityOptions, measure_sensitivity
from mmrobustprune.engine.bridge.evaluation import EvaluationImages
from mmrobustprune.engine.bridge.model import example_of, forward_of
from mmrobustprune.masks import MaskSet
from mmrobustprune.recipes import build_recipe
from mmrobustprune.structure import rebuild
from tests.support.classifier import write_config, write_pictures, write_weights

FRACTIONS = (0.25, 0.5)


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """A ResNet-8 with random weights and 20 images."""
    folder = tmp_path_factory.mktemp('small')
    config = write_config(folder, write_pictures(folder / 'data'))
    checkpoint, model = write_weights(config, folder / 'small.pth')
    return config, checkpoint, model


def options(**changes):
    return SensitivityOptions(**dict(dict(fractions=FRACTIONS, subset=12, device='cpu'), **changes))


def removed(model, images, group, count):
    """Accuracy of a copy that really lost the least `count` units of a group."""
    twin = copy.deepcopy(model)
    masks = MaskSet(copy.deepcopy(twin), [group])
    scores = module.build_score(dict(type='Magnitude', p=2))(twin, [group])[group.name]
    alive = torch.ones(group.units, dtype=torch.bool)
    alive[scores.argsort()[:count]] = False
    masks.remove({group.name: alive})
    return images.metrics(rebuild(twin, masks.structure('test')))['accuracy/top1']


def test_each_number_is_the_accuracy_of_the_smaller_network(small, tmp_path):
    config, checkpoint, model = small
    said = []
    found = measure_sensitivity(
        config, checkpoint, tmp_path, options(), lambda *words: said.append(words)
    )
    images = EvaluationImages(module.as_config(config), 'test', 12)
    groups = trace(model, example_of(model, images.loader), forward_of(model)).groups
    assert found['images'] == 12 and found['metric'] == 'accuracy/top1'
    assert found['dense'] == {'clean': images.metrics(model)['accuracy/top1']}
    assert [one['name'] for one in found['groups']] == [group.name for group in groups]
    for group, row in list(zip(groups, found['groups'], strict=True))[::2]:
        assert [point['gone'] for point in row['points']] == [group.units // 4, group.units // 2]
        for point in row['points']:
            expected = removed(model, images, group, point['gone'])
            assert point['values']['clean'] == pytest.approx(expected)
    total = 1 + 2 * len(groups)
    assert [done for _, done, _ in said] == list(range(total + 1))
    assert json.loads((tmp_path / 'ratios.json').read_text()) == found['ratios']
    assert (tmp_path / 'sensitivity.png').stat().st_size > 5000
    recipe = dict(recipe='magnitude', target=0.5, ratios=str(tmp_path / 'ratios.json'))
    assert build_recipe(recipe).ratios == recipe['ratios']


def test_corruptions_and_a_second_run_that_goes_on(small, tmp_path, monkeypatch):
    config, checkpoint, _ = small
    asked = options(corruptions=['brightness'], fractions=(0.5,))
    calls = []
    core = module.evaluate_all

    def counted(*words):
        calls.append(words)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return core(*words)

    monkeypatch.setattr(module, 'evaluate_all', counted)
    with pytest.raises(KeyboardInterrupt):
        measure_sensitivity(config, checkpoint, tmp_path, asked)
    found = measure_sensitivity(config, checkpoint, tmp_path, asked)
    assert list(found['dense']) == ['clean', 'brightness 3']
    assert len(calls) == 1 + 2 * (1 + len(found['groups']))  # the broken one again
    before = len(calls)
    assert measure_sensitivity(config, checkpoint, tmp_path, asked)['groups'] == found['groups']
    assert len(calls) == before
    with pytest.raises(ValueError, match=r'holds cells of another run \(seed differ\)'):
        measure_sensitivity(
            config, checkpoint, tmp_path, options(corruptions=['brightness'], seed=1)
        )


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(fractions=(0.0, 0.5)), r'fractions=\(0.0, 0.5\) must lie in \(0, 1\)'),
        (dict(fractions=()), 'fractions'),
        (dict(allowed=1.0), 'allowed'),
    ],
)
def test_what_is_no_fraction_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        SensitivityOptions(**changes)


def test_names_that_are_unknown(small, tmp_path):
    config, checkpoint, _ = small
    with pytest.raises(ValueError, match="did you mean 'fog'"):
        measure_sensitivity(config, checkpoint, tmp_path / 'a', options(corruptions=['fogg']))
    with pytest.raises(ValueError, match="forward='nowhere:f' cannot be loaded"):
        measure_sensitivity(config, checkpoint, tmp_path / 'c', options(forward='nowhere:f'))
    with pytest.raises(ValueError, match='nothing can be pruned'):
        measure_sensitivity(config, checkpoint, tmp_path / 'b', options(ignore=['*']))
