"""Attacks on an mmpretrain classifier: its own normalisation, finished batches, stamps."""

import json

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('mmpretrain')
from mmengine.config import Config
from mmengine.runner import Runner

from mmrobustprune.attack import FGSM, PGD, AutoAttack, choose
from mmrobustprune.engine.attacks.evaluate import ImageChoice, evaluate_attacks, split_into_batches
from mmrobustprune.engine.attacks.table import row, table, verdict
from mmrobustprune.engine.bridge.images import LabelledImages
from mmrobustprune.models.pixels import pixel_classifier
from tests.support.classifier import STD, write_config, write_pictures, write_weights

PGD3 = PGD(eps=4 / 255, step=2 / 255, steps=3, random_start=True)


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """(config, checkpoint, model); the first two are paths."""
    folder = tmp_path_factory.mktemp('small')
    config = write_config(folder, write_pictures(folder / 'data'))
    return config, *write_weights(config, folder / 'small.pth')


def test_pixels_become_what_the_network_sees_in_its_channel_order(small):
    config, _, model = small
    pictures = LabelledImages.of_test_set(Config.fromfile(config))
    ((x, y),) = pictures.batches([[0, 3, 19]])
    assert x.shape == (3, 3, 32, 32) and 0 <= x.min() and x.max() <= 1 and y.tolist() == [0, 0, 4]
    classifier = pixel_classifier(model)
    own = model.data_preprocessor(dict(inputs=(255 * x).round().byte()))['inputs']
    assert torch.allclose(classifier.normalise(x), own, atol=1e-5)
    with torch.no_grad():
        assert torch.allclose(classifier(x), model(own, mode='tensor'), atol=1e-4)
    stamp = FGSM(eps=0.5, space='normalised').stamp(classifier, x)
    assert stamp['eps_pixel'] == pytest.approx([0.5 * s / 255 for s in STD], rel=1e-5)


def test_clean_accuracy_is_that_of_the_stock_test(small, tmp_path):
    config, checkpoint, _ = small
    results = evaluate_attacks(config, checkpoint, tmp_path / 'a', [FGSM(eps=0)])
    stock = Config.fromfile(config)
    stock.update(
        work_dir=str(tmp_path / 'b'),
        load_from=str(checkpoint),
        log_level='ERROR',
        experiment_name=tmp_path.name,
    )
    stock.test_dataloader.collate_fn = dict(type='default_collate')
    expected = Runner.from_cfg(stock).test()['accuracy/top1'] / 100
    assert results['clean'] == results['attacks'][0]['accuracy'] == pytest.approx(expected)


def test_every_number_says_what_it_depends_on(small, tmp_path):
    config, checkpoint, _ = small
    results = evaluate_attacks(
        config,
        checkpoint,
        tmp_path,
        choose('sr-gkp', seed=5),
        choice=ImageChoice(subset=12, subset_seed=3, batch_size=5),
    )
    assert json.loads((tmp_path / 'attacks.json').read_text()) == results
    for one in results['attacks']:
        assert {'eps', 'space', 'label', 'clip', 'eps_pixel', 'reach_pixel', 'accuracy'} <= set(one)
        assert (
            one['seed'] == 5
            and one['images'] == 12
            and one['subset'] == dict(size=12, of=20, pick='random', seed=3)
        )
        assert one['eps_pixel'] == pytest.approx([one['eps'] * s / 255 for s in STD], rel=1e-5)
    assert {
        'weights',
        'data',
        'config',
        'versions',
        'commit',
        'command',
        'device',
        'doubts',
    } <= set(results)
    assert [row(one)[4:6] for one in results['attacks']] == [
        ('1', 'predicted'),
        ('1', 'predicted'),
        ('3', 'true'),
    ]
    assert table(results).row_count == 4


def test_a_stopped_run_goes_on_and_more_attacks_can_follow(small, tmp_path, monkeypatch):
    config, checkpoint, _ = small
    whole = evaluate_attacks(
        config, checkpoint, tmp_path / 'whole', [PGD3], choice=ImageChoice(batch_size=6)
    )
    seen = []

    def stop(what, done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_attacks(
            config, checkpoint, tmp_path / 'cut', [PGD3], stop, choice=ImageChoice(batch_size=6)
        )
    assert len(list((tmp_path / 'cut' / 'chunks').glob('*-[0-9]*.json'))) == 5
    again = evaluate_attacks(
        config,
        checkpoint,
        tmp_path / 'cut',
        [PGD3],
        lambda *a: seen.append(a),
        choice=ImageChoice(batch_size=6),
    )
    assert [one[1:] for one in seen] == [(5, 8), (6, 8), (7, 8), (8, 8)]
    assert (
        again['attacks'][0]['accuracy'] == whole['attacks'][0]['accuracy']
        and again['clean'] == whole['clean']
    )
    monkeypatch.setattr(PGD, '_attack', None)  # finished: PGD is not run again
    more = evaluate_attacks(
        config,
        checkpoint,
        tmp_path / 'cut',
        [PGD3, FGSM(eps=8 / 255)],
        choice=ImageChoice(batch_size=6),
    )
    assert (
        more['attacks'][0]['accuracy'] == whole['attacks'][0]['accuracy']
        and len(more['attacks']) == 2
    )


def test_the_batch_size_changes_nothing(small, tmp_path):
    config, checkpoint, _ = small
    one, other = (
        evaluate_attacks(
            config, checkpoint, tmp_path / str(size), [PGD3], choice=ImageChoice(batch_size=size)
        )
        for size in (3, 20)
    )
    assert one['attacks'][0]['accuracy'] == other['attacks'][0]['accuracy']


def test_a_work_dir_of_other_weights_is_refused(small, tmp_path):
    config, checkpoint, _ = small
    evaluate_attacks(config, checkpoint, tmp_path, [FGSM(eps=0.1)])
    other, _ = write_weights(config, tmp_path / 'other.pth', seed=1)
    with pytest.raises(ValueError, match=r'another run \(weights differ\)'):
        evaluate_attacks(config, other, tmp_path, [FGSM(eps=0.1)])


def test_autoattack_with_its_breakdown(small, tmp_path):
    config, checkpoint, _ = small
    results = evaluate_attacks(
        config,
        checkpoint,
        tmp_path,
        [AutoAttack(eps=0.02, iterations=3, queries=5)],
        choice=ImageChoice(subset=6),
    )
    breakdown = results['attacks'][0]['breakdown']
    assert list(breakdown) == ['apgd-ce', 'apgd-t', 'fab-t', 'square']
    assert [results['clean'], *breakdown.values()] == sorted(
        [results['clean'], *breakdown.values()], reverse=True
    )
    assert (
        results['attacks'][0]['accuracy'] == breakdown['square']
        and row(results['attacks'][0])[4] == 'custom'
    )
    assert table(results).row_count == 6 and isinstance(verdict(results), str)


def test_pictures_that_are_normalised_too_early_are_refused(small, tmp_path):
    pipeline = 'dict(type="LoadImageFromFile", to_float32=True), dict(type="PackInputs")'
    config = write_config(tmp_path, small[0].parent / 'data', pipeline=pipeline)
    with pytest.raises(ValueError, match='torch.float32 images'):
        evaluate_attacks(config, small[1], tmp_path / 'w', [])


def test_pictures_of_several_sizes_are_refused(small, tmp_path):
    write_pictures(tmp_path / 'data', 6)
    write_pictures(tmp_path / 'data', 3, side=16, seed=1)
    with pytest.raises(
        ValueError, match=r'\(3, 32, 32\) and \(3, 16, 16\)|\(3, 16, 16\) and \(3, 32, 32\)'
    ):
        evaluate_attacks(write_config(tmp_path, tmp_path / 'data'), small[1], tmp_path / 'w', [])


def test_three_classes_have_the_attacks_that_exist(tmp_path):
    config = write_config(tmp_path, write_pictures(tmp_path / 'data', 6, 'abc'), classes=3)
    checkpoint, _ = write_weights(config, tmp_path / 'three.pth')
    few = AutoAttack(eps=0.01, iterations=2, queries=2)
    (one,) = evaluate_attacks(config, checkpoint, tmp_path / 'w', [few])['attacks']
    assert one['ran'] == list(one['breakdown']) == ['apgd-ce', 'apgd-dlr', 'fab-t', 'square']
    assert (one['version'], one['targets']) == ('custom', 2)


def test_one_output_and_no_test_images_are_refused(small, tmp_path):
    config = write_config(tmp_path, write_pictures(tmp_path / 'data', 6, 'ab'), classes=1)
    checkpoint, _ = write_weights(config, tmp_path / 'one.pth')
    with pytest.raises(ValueError, match='the network has 1 output, so every image'):
        evaluate_attacks(config, checkpoint, tmp_path / 'w', [])
    bare = Config.fromfile(config)
    bare.pop('test_dataloader')
    with pytest.raises(ValueError, match='no test_dataloader'):
        evaluate_attacks(bare, checkpoint, tmp_path / 'v', [])


def test_an_image_that_was_replaced_is_not_the_one_attacked_before(small, tmp_path):
    data = write_pictures(tmp_path / 'data')
    config = write_config(tmp_path, data)
    evaluate_attacks(config, small[1], tmp_path / 'w', [FGSM(eps=0.1)])
    file = data / 'c' / '002.png'
    cv2.imwrite(str(file), cv2.imread(str(file))[:, ::-1])
    with pytest.raises(ValueError, match=r'another run \(data differ\)'):
        evaluate_attacks(config, small[1], tmp_path / 'w', [FGSM(eps=0.1)])


@pytest.mark.parametrize(
    'outputs, sentence',
    [
        (1, 'the network has 1 output, so every image counts as class 0; give a classifier'),
        (3, 'the network has 3 outputs and the labels of the data set go from 0 to 4; give'),
    ],
)
def test_labels_without_an_output_are_one_sentence(tmp_path, outputs, sentence):
    config = write_config(tmp_path, write_pictures(tmp_path / 'data'), classes=outputs)
    checkpoint, _ = write_weights(config, tmp_path / 'few.pth')
    with pytest.raises(ValueError, match=sentence) as error:
        evaluate_attacks(config, checkpoint, tmp_path / 'w', [FGSM(eps=0.1)])
    assert '\n' not in str(error.value)
    assert not list((tmp_path / 'w' / 'chunks').glob('*-[0-9]*.json'))


def test_batches_of_no_image_are_refused():
    with pytest.raises(ValueError, match='batch_size=0 is no number of images'):
        split_into_batches(np.arange(3), 0)
    assert [part.tolist() for part in split_into_batches(np.arange(5), 2)] == [[0, 1], [2, 3], [4]]
