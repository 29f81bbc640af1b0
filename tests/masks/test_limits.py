"""How much a group may lose, said by patterns."""

import json

import pytest
import torch

from mmrobustprune.cost.model import CostModel
from mmrobustprune.masks import RankedSelection
from mmrobustprune.masks.limits import limits_of, read_ratios
from mmrobustprune.recipes import build_recipe
from mmrobustprune.surgery import prune_channels, trace
from tests.support.networks import Residual


def traced():
    """conv1 has 4 channels; stem and conv2 share 6."""
    torch.manual_seed(0)
    model = Residual()
    example = torch.randn(1, 3, 8, 8)
    return model, example, trace(model, example)


def test_patterns_become_groups():
    model, _, found = traced()
    assert [(group.name, group.units) for group in found.groups] == [('stem', 6), ('conv1', 4)]
    assert limits_of(model, found.groups, {'conv1': 0.5}) == {'conv1': 0.5}
    assert limits_of(model, found.groups, {'conv2': 0.1}) == {'stem': 0.1}  # added to the stem
    assert limits_of(model, found.groups, {'*': 0.2}) == {'stem': 0.2, 'conv1': 0.2}
    assert limits_of(model, found.groups, {'head': 0.0}) == {}  # loses nothing anyway


def test_contradictions_and_typing_errors_are_refused():
    model, _, found = traced()
    with pytest.raises(ValueError, match=r"'stem' 0.5 by 'stem' and 0.1 by 'conv2'; let one"):
        limits_of(model, found.groups, {'stem': 0.5, 'conv2': 0.1})
    assert limits_of(model, found.groups, {'stem': 0.5, 'conv2': 0.5}) == {'stem': 0.5}
    with pytest.raises(
        ValueError, match=r"ratios: pattern 'cnv1' matches no layer \(nearest: conv1\)"
    ):
        limits_of(model, found.groups, {'cnv1': 0.5})
    with pytest.raises(
        ValueError,
        match=r"rates are those of another network: 2 of 3 patterns .* \('a', 'b', ...\)",
    ):
        limits_of(model, found.groups, {'a': 0.5, 'conv1': 0.1, 'b': 0.2}, 'rates')


@pytest.mark.parametrize(
    'ratios, message',
    [
        ({'a': 1.5}, r"give 'a' 1.5, which is no fraction in \[0, 1\]"),
        ({'a': True}, "give 'a' True"),
        ({'a': '0.3'}, "give 'a' '0.3'"),
        ([0.3], 'is no {pattern: most}'),
    ],
)
def test_what_is_no_limit_is_refused(ratios, message):
    with pytest.raises(ValueError, match=message):
        read_ratios(ratios)


def test_a_file_holds_the_same(tmp_path):
    path = tmp_path / 'ratios.json'
    path.write_text(json.dumps({'conv1': 0.25}))
    assert read_ratios(str(path)) == read_ratios(path) == {'conv1': 0.25}
    path.write_text('[]')
    with pytest.raises(ValueError, match='is no {pattern: most}'):
        read_ratios(path)
    with pytest.raises(FileNotFoundError, match='nowhere.json.* is not there; give'):
        build_recipe(dict(recipe='magnitude', target=0.5, ratios=str(tmp_path / 'nowhere.json')))


def alive_of(structure, layer, width):
    return len(structure.layers.get(layer, {}).get('out', range(width)))


@pytest.mark.parametrize('scope', ['network', 'layer'])
@pytest.mark.parametrize('most, kept', [(0.0, 4), (0.25, 3), (0.5, 2)])
def test_a_group_never_loses_more(scope, most, kept):
    model, example, _ = traced()
    with torch.no_grad():
        model.conv1.weight *= 1e-3  # by its scores it would go first
    structure = prune_channels(
        model, example, 0.3, scope=scope, normalise='none', min_keep=0, ratios={'conv1': most}
    )
    assert alive_of(structure, 'conv1', 4) == model.conv1.out_channels >= kept
    if scope == 'network':
        assert model.conv1.out_channels == kept


def test_what_the_limits_leave_is_said():
    model, example, found = traced()
    with pytest.raises(ValueError, match='nearest feasible value is 0.2000, .*2 ratios'):
        prune_channels(model, example, 0.5, ratios={'conv1': 0.25, 'stem': 0.2})
    cost = CostModel(model, found.groups, found.shapes)
    rule = RankedSelection(cost, 'channels', limits={'conv1': 0.25, 'stem': 0.2})
    assert rule.most() == 0.2  # one of 4 and one of 6


def test_a_recipe_takes_them():
    recipe = build_recipe(dict(recipe='adasap', target=0.5, ratios={'backbone.layer1': 0.3}))
    assert recipe.ratios == {'backbone.layer1': 0.3}
