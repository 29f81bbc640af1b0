"""Sharpness of checkpoints: what is moved, on which images, and what is refused."""

import copy

import cv2
import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmrobustprune.engine.analysis.sharpness import (
    SharpnessOptions,
    images_of_split,
    measure_sharpness,
    of_scores,
    of_weights,
    search_of,
)
from mmrobustprune.recipes import build_recipe
from tests.support.classifier import write_config, write_pictures, write_weights

QUICK = dict(lambda_max=dict(iterations=2), loss_difference=dict(rho=[0.01], steps=1))


@pytest.fixture
def small(tmp_path):
    data = write_pictures(tmp_path / 'data', 10)
    config = write_config(tmp_path, data)
    return config, write_weights(config, tmp_path / 'small.pth')[0], data


def test_zeros_of_the_weights_are_held():
    """The curvature of a pruned network is that of its kept weights."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2))
    with torch.no_grad():
        model[0].weight[1:3] = 0
    found = of_weights(model)
    assert found.record == dict(parameters=2 * 27 + 8) and found.name == 'weights'
    assert [one.shape for one in found.params] == [(4, 3, 3, 3), (2, 4)]
    with torch.no_grad():
        for one in found.params:
            one += 1
    assert model[0].weight[1:3].abs().max() == 0 and model[0].weight[0].abs().min() > 0


def test_the_same_call_goes_on_and_a_replaced_image_is_another_run(small, tmp_path):
    config, checkpoint, data = small
    options = SharpnessOptions(split='test', subset=6, batch_size=3, meters=QUICK)
    seen = []
    call = (config, checkpoint, tmp_path / 'out', dict(type='CrossEntropy'))
    first = measure_sharpness(*call, lambda *words: seen.append(words), options)
    assert [words[1:] for words in seen] == [(0, 2), (1, 2), (2, 2)] and first['images'] == 6
    del seen[:]
    again = measure_sharpness(*call, lambda *words: seen.append(words), options)
    assert again['spaces'] == first['spaces'] and seen == [('done', 2, 2)]
    file = data / 'c' / '002.png'
    cv2.imwrite(str(file), cv2.imread(str(file))[:, ::-1])
    with pytest.raises(ValueError, match=r'another run \(data differ\)'):
        measure_sharpness(*call, options=options)


def test_labels_without_an_output_are_one_sentence(small, tmp_path):
    config = write_config(tmp_path, small[2], classes=3)
    checkpoint, _ = write_weights(config, tmp_path / 'few.pth')
    options = SharpnessOptions(split='test', meters=QUICK)
    with pytest.raises(ValueError, match='3 outputs and the labels .* go from 0 to 4'):
        measure_sharpness(
            config, checkpoint, tmp_path / 'out', dict(type='CrossEntropy'), None, options
        )


@pytest.mark.parametrize(
    'fields, sentence',
    [
        (dict(batch_norm='frozen'), 'batch_norm'),
        (dict(meters=dict(lambda_max=dict(iteration=3))), 'iteration'),
    ],
)
def test_wrong_options_are_one_sentence(fields, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        SharpnessOptions(**fields)


def test_splits_of_a_config(small):
    config = Config.fromfile(small[0])
    assert len(images_of_split(config, 'test')) == 10
    with pytest.raises(ValueError, match="split='val' is unknown"):
        images_of_split(config, 'val')
    with pytest.raises(ValueError, match='no train_dataloader'):
        images_of_split(config, 'train')


def test_a_finished_checkpoint_holds_no_search(small):
    assert search_of(Config.fromfile(small[0]), str(small[1])) is None


def test_a_search_that_left_frozen_layers_out_is_measured_too():
    layers = [torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 5, 3)]
    model = torch.nn.Sequential(*layers)
    plain = copy.deepcopy(model)
    recipe = build_recipe(dict(recipe='s2ap_hydra', target=0.5))
    search = recipe.build_host(['0']).attach(model)
    searched = dict(recipe=recipe, state=model.state_dict(), host=search.state_dict())
    coordinates = of_scores(plain, searched)
    assert coordinates.record['parameters'] == 5 * 4 * 9
