"""Measuring along a search: what is written is true, and the training does not notice."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS

from mmrobustprune.analysis import hamming
from mmrobustprune.engine.analysis.sharpness import SharpnessOptions, measure_sharpness
from mmrobustprune.engine.analysis.stability import compare_masks, compare_runs, masks_of
from mmrobustprune.engine.search.measure_hook import SearchMeasureHook
from tests.support.process import run_apart, train
from tests.support.tiny import classifier, quick

HOOK = dict(
    type='mmrobustprune.SearchMeasureHook',
    lambda_max=dict(batches=2, iterations=3),
    loss_difference=dict(rho=[0.01, 0.1], steps=2),
    along=2,
)


def searched(work_dir, hook=HOOK, host='s2ap_hydra', interval=1):
    """Dense for one epoch, two of search, one of fine-tuning: 6 iterations each."""
    config = classifier(work_dir, epochs=4)
    config.model.update(
        type='mmrobustprune.AdversarialClassifier',
        robust_loss=dict(type='TRADES', beta=6.0, eps=8 / 255, step=4 / 255, steps=2),
    )
    config = quick(config.to_dict())
    config.val_cfg = dict(type='mmrobustprune.AttackedValLoop', images=6, steps=1)
    config.default_hooks.checkpoint.update(interval=interval, by_epoch=interval == 1)
    config.custom_hooks = [hook] if hook else []
    config.runner_type = 'mmrobustprune.PruneRunner'
    config.robust_prune = dict(
        recipe=host,
        target=0.8,
        pretrain='1 epochs',
        search='2 epochs',
        warmup='1 epochs',
        gamma=0.01,
        search_optimizer=dict(lr=0.05),
        measure=False,
        select='last',
    )
    return config


def records(folder):
    return json.loads((folder / 'search.json').read_text())['records']


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp('measured')
    config = searched(folder)
    RUNNERS.build(config).train()
    return folder, config


def test_a_record_per_epoch_of_the_search_with_everything_that_was_asked_for(finished):
    folder, _ = finished
    found = records(folder)
    assert [(one['epoch'], one['iteration'], one['stage']) for one in found] == [
        (1, 12, 'search'),
        (2, 18, 'search'),
    ]
    for one in found:
        assert (
            one['removed'] == pytest.approx(0.8, abs=0.01)
            and len(one['rates']) == len(one['kept']) == 21
        )
        assert one['residual'] > 0 and one['lambda_max'] != 0 and one['loss'] > 0
        small, large = one['loss_difference']
        assert (
            (small['rho'], large['rho']) == (0.01, 0.1)
            and 0 <= small['value'] <= large['value']
            and large['flipped'] > 0
        )
        assert (
            0 < one['displacement_previous']
            and 0 <= one['clean'] <= 100
            and 0 <= one['attacked'] <= 100
        )
        assert (
            len(one['layers_displacement']) == 21 and min(one['layers_displacement'].values()) > 0
        )
        inside = one['along']
        assert [row['iteration'] for row in inside] == [one['iteration'] - 6, one['iteration'] - 3]
        mean = (inside[0]['lambda_max'] + inside[1]['lambda_max']) / 2
        assert one['lambda_max_along'] == pytest.approx(mean)
    assert found[0]['hamming_first'] == found[0]['hamming_previous'] > 0
    settings = json.loads((folder / 'search.json').read_text())['settings']
    assert (
        settings['lambda_max'] == dict(batches=2, iterations=3) and settings['batch_norm'] == 'eval'
    )


def test_distances_are_those_of_the_masks_in_the_checkpoints(finished):
    folder, _ = finished
    after = [masks_of(folder / f'epoch_{epoch}.pth') for epoch in (2, 3)]
    assert records(folder)[1]['hamming_previous'] == hamming(*after).value
    assert records(folder)[1]['layers_previous'] == hamming(*after).layers


def test_the_result_is_read_without_the_hook(finished):
    for place in ('.', 'mask'):
        hooks = Config.fromfile(finished[0] / place / 'pruned.py').get('custom_hooks') or []
        assert not [hook for hook in hooks if 'SearchMeasure' in hook['type']]


def test_iterations_have_no_epochs_to_measure(tmp_path):
    config = searched(tmp_path)
    config.train_cfg = dict(by_epoch=False, max_iters=24, val_interval=6)
    with pytest.raises(ValueError, match='counts iterations'):
        RUNNERS.build(config).train()


@pytest.mark.slow
def test_the_training_does_not_notice(finished, tmp_path):
    RUNNERS.build(searched(tmp_path, hook=None)).train()
    with_hook, without = (
        torch.load(folder / 'epoch_4.pth', weights_only=True)['state_dict']
        for folder in (finished[0], tmp_path)
    )
    assert all(torch.equal(with_hook[name], without[name]) for name in without)
    assert not (tmp_path / 'search.json').exists()


@pytest.mark.slow
def test_a_killed_search_ends_with_the_same_records(finished, tmp_path):
    config = searched(
        tmp_path, interval=4
    )  # checkpoints at 12, 16: the kill is in the second epoch of the search
    assert run_apart(train, config, 17) == -9
    assert [one['epoch'] for one in records(tmp_path)] == [1]
    config.resume = True
    assert run_apart(train, config, None, True) == 0
    assert records(tmp_path) == records(finished[0])


def test_a_checkpoint_of_the_search_is_measured_in_weights_and_in_scores(finished, tmp_path):
    folder, config = finished
    choose = SharpnessOptions(
        meters=dict(lambda_max=dict(iterations=2), loss_difference=dict(rho=[0.01], steps=1)),
        subset=10,
        batch_size=5,
    )
    seen = []
    loss = dict(type='PGDAT', steps=1)
    found = measure_sharpness(
        config, folder / 'epoch_3.pth', tmp_path, loss, lambda *words: seen.append(words), choose
    )
    assert set(found['spaces']) == {'weights', 'scores'} and found['images'] == 10
    scores, weights = found['spaces']['scores'], found['spaces']['weights']
    assert (
        scores['removed'] == pytest.approx(0.8, abs=0.01)
        and 0 < weights['parameters'] < 0.21 * scores['parameters']
    )
    assert scores['loss'] == pytest.approx(
        weights['loss'], rel=1e-5
    )  # one network, two coordinates
    assert (
        scores['loss_difference'][0]['flipped'] is not None
        and weights['loss_difference'][0]['flipped'] is None
    )
    assert seen[-1] == ('done', 4, 4) and (tmp_path / 'loss_difference.png').is_file()
    del seen[:]
    again = measure_sharpness(
        config, folder / 'epoch_3.pth', tmp_path, loss, lambda *words: seen.append(words), choose
    )
    assert again['spaces'] == found['spaces'] and not [
        words for words in seen if 'batch' in words[0]
    ]  # all were kept
    with pytest.raises(ValueError, match='another run'):
        measure_sharpness(config, folder / 'epoch_2.pth', tmp_path, loss, None, choose)


def test_the_mask_that_was_taken_is_measured_at_its_scores_under_the_training_loss(
    finished, tmp_path
):
    folder, config = finished
    choose = SharpnessOptions(
        meters=dict(loss_difference=dict(rho=[0.01], steps=1)), subset=5, batch_size=5
    )
    scores = folder / 'mask' / 'scores.pth'
    found = measure_sharpness(config, scores, tmp_path, 'training', None, choose)
    assert found['loss']['type'] == 'TRADES' and found['loss']['steps'] == 2
    assert found['spaces']['scores']['removed'] == pytest.approx(0.8, abs=0.01)
    taken = torch.load(scores, weights_only=True)
    plain = torch.load(folder / 'mask' / 'pruned.pth', weights_only=True)['state_dict']
    assert all(torch.equal(taken['state_dict'][name], plain[name]) for name in plain)


def test_masks_and_runs_are_compared(finished, tmp_path):
    folder, _ = finished
    files = {
        'one': folder / 'epoch_2.pth',
        'two': folder / 'epoch_3.pth',
        'end': folder / 'masks.npz',
    }
    found = compare_masks(files, tmp_path)
    assert [row['hamming'] for row in found['masks']] == pytest.approx(
        [0, *[records(folder)[1]['hamming_previous']] * 2]
    )
    assert (tmp_path / 'stability.png').is_file()
    with pytest.raises(ValueError, match='no weight in it is zero'):
        compare_masks({'dense': folder / 'epoch_1.pth', 'one': folder / 'epoch_2.pth'}, tmp_path)
    found = compare_runs(
        {'a-seed0': folder, 'a-seed1': folder, 'b': folder / 'search.json'},
        tmp_path / 'runs',
        warmup=1,
    )
    assert found['original'] == 'a' and found['differences'] == {
        'b': dict(epochs=[1, 2], values=[0, 0], mean=0)
    }
    assert sorted(found['pictures']) == [
        'loss_difference.png',
        'preview_b.png',
        'sharpness.png',
        'stability.png',
    ]
    assert all((tmp_path / 'runs' / name).stat().st_size > 10000 for name in found['pictures'])


@pytest.mark.parametrize(
    'fields, words',
    [
        (
            dict(lambda_max=dict(iteration=3)),
            "unknown field of lambda_max 'iteration' (did you mean 'iterations'?)",
        ),
        (dict(lambda_max=dict(batches=0)), 'batches=0'),
        (dict(loss_difference=dict(rho=[-1])), 'rho=[-1.0]'),
        (dict(loss_difference=dict(rho=[])), 'rho=[]'),
        (dict(along=2), 'along=2 with lambda_max=None is not allowed'),
        (dict(interval=0), 'interval=0'),
        (dict(batch_norm='off'), "batch_norm='off'"),
    ],
)
def test_wrong_fields_are_one_sentence(fields, words):
    with pytest.raises(ValueError) as error:
        SearchMeasureHook(**fields)
    assert words in str(error.value) and '\n' not in str(error.value)


def test_a_training_without_a_search_is_refused(tmp_path):
    config = classifier(tmp_path, epochs=1)
    config.custom_hooks = [HOOK]
    with pytest.raises(ValueError, match='found no hook that searches'):
        RUNNERS.build(quick(dict(config.to_dict(), runner_type='Runner'))).train()
