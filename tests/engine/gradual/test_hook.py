"""Schedules of another length on resume: the plan of the phases is that of the checkpoint."""

import json

import pytest
import torch
from mmengine.registry import RUNNERS

from mmrobustprune.scores import SCORES
from tests.scores.test_base import MeanActivation
from tests.support.small import small
from tests.support.tiny import classifier, pruned

FRACTIONS = dict(warmup=0.15, rounds=3, interval=None, prune=0.3, measure=False)


def config_of(folder, epochs, resume=True, **fields):
    config = pruned(classifier(folder, epochs=epochs), **dict(FRACTIONS, **fields))
    config.resume = resume
    return config


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Four epochs of 6 iterations: warm-up to 4, rounds to 10."""
    folder = tmp_path_factory.mktemp('trained')
    RUNNERS.build(config_of(folder, 4, resume=False)).train()
    return folder


def resumed(folder, source, epoch, config):
    """Train on from a checkpoint of another folder; the Runner."""
    config.work_dir = str(folder)
    config.load_from = str(source / f'epoch_{epoch}.pth')
    runner = RUNNERS.build(config)
    runner.train()
    return runner


def spans(folder, epoch):
    checkpoint = torch.load(folder / f'epoch_{epoch}.pth', weights_only=True)
    return checkpoint['robust_prune']['plan']['spans']


@pytest.mark.parametrize('epochs', [6, 10])
def test_a_longer_schedule_is_more_fine_tuning(trained, tmp_path, epochs):
    runner = resumed(tmp_path, trained, 4, config_of(tmp_path, epochs))
    assert runner.iter == 6 * epochs
    assert spans(trained, 4) == [['warmup', 0, 4, 0], ['prune', 4, 10, 3], ['finetune', 10, 24, 0]]
    assert spans(tmp_path, epochs)[:2] == spans(trained, 4)[:2]
    assert spans(tmp_path, epochs)[2] == ['finetune', 10, 6 * epochs, 0]
    before, after = (
        torch.load(folder / 'pruned.pth', weights_only=True) for folder in (trained, tmp_path)
    )
    shapes = [{k: v.shape for k, v in one['state_dict'].items()} for one in (before, after)]
    assert shapes[0] == shapes[1]
    names = ['meta', 'mmrobustprune', 'structure', 'layers']
    for name in names:
        before, after = before[name], after[name]
    assert before == after


def test_a_longer_schedule_before_the_removal_leaves_the_rounds_where_they_were(trained, tmp_path):
    resumed(tmp_path, trained, 1, config_of(tmp_path, 8))
    rounds = json.loads((tmp_path / 'rounds.json').read_text())
    assert [record['iteration'] for record in rounds] == [6, 8, 10]


@pytest.mark.slow
def test_a_shorter_schedule_may_not_end_before_the_removal(trained, tmp_path):
    runner = resumed(tmp_path / 'enough', trained, 1, config_of(tmp_path, 2))
    assert runner.iter == 12 and (tmp_path / 'enough' / 'pruned.pth').exists()
    late = dict(warmup='10 iters', prune='6 iters')
    RUNNERS.build(config_of(tmp_path / 'late', 4, False, **late)).train()
    with pytest.raises(ValueError, match='takes 16 iterations .* and the base schedule has 12'):
        resumed(tmp_path / 'short', tmp_path / 'late', 1, config_of(tmp_path, 2, **late))


def test_phases_that_are_asked_anew_are_laid_anew(trained, tmp_path):
    """As the warning of a training that ended before its removal advises."""
    resumed(tmp_path, trained, 1, config_of(tmp_path, 4, warmup='6 iters', prune='3 iters'))
    rounds = json.loads((tmp_path / 'rounds.json').read_text())
    assert [record['iteration'] for record in rounds] == [7, 8, 9]


@pytest.mark.parametrize('recipe', ['magnitude', 'adasap'])
def test_a_score_of_feature_maps_sees_the_training_and_nothing_else(tmp_path, monkeypatch, recipe):
    """Neither the rehearsal nor the fixed batches around a mask are passes of the training."""
    seen = []

    class Counted(MeanActivation):
        def reset(self):
            seen.append(dict(self.batches))
            super().reset()

    monkeypatch.setitem(SCORES, 'Counted', Counted)
    config = config_of(tmp_path, 4, False, recipe=recipe, score=dict(type='Counted'))
    runner = RUNNERS.build(config)
    runner.train()
    assert runner.model.backbone.conv1.out_channels < 8 or (tmp_path / 'pruned.pth').is_file()
    windows = [max(counts.values()) for counts in seen if counts]
    assert windows and max(windows) <= 4  # the warm-up; rounds come every 2 iterations


def test_groups_are_weighed_before_the_first_round(trained):
    rounds = json.loads((trained / 'rounds.json').read_text())
    assert [('weights' in one) for one in rounds] == [True, False, False]
    saved = torch.load(trained / 'epoch_1.pth', weights_only=True)['robust_prune']['pruning']
    assert saved['weights'] is None  # the first round is due before the next iteration
    assert set(rounds[0]['weights']) == set(saved['groups'])
    assert min(rounds[0]['weights'].values()) > 0


def test_the_log_keeps_a_phase_and_a_share_once(trained):
    """mmengine copies the whole history of a number with each that it is given."""
    saved = torch.load(trained / 'epoch_4.pth', weights_only=True)['message_hub']['log_scalars']
    rounds = json.loads((trained / 'rounds.json').read_text())
    assert saved['train/phase'].data[0].tolist() == [0, 1, 2]
    shares = [0, *(record['removed']['params'] for record in rounds)]
    assert saved['train/removed_params'].data[0].tolist() == shares
    assert len(saved['train/loss'].data[0]) == 24


@pytest.mark.parametrize('recipe', ['l1norm', 'slimming'])
def test_a_rule_that_goes_on_forgets_the_units_that_were_removed(tmp_path, recipe):
    """The phase of the removal has no length, so that no other rule comes between."""
    rule = dict(type='AdaSAP')
    fields = dict(recipe=recipe, target=0.5, budget='channels', rule=rule, finetune_rule=rule)
    runner = RUNNERS.build(small(tmp_path, epochs=2, **fields))
    runner.train()
    assert runner.iter == 12 and len(runner.model.last.weight) < 10


def test_a_score_of_gradients_sees_the_warm_up_before_a_removal_at_once(tmp_path):
    fields = dict(recipe='taylor', target=0.5, budget='channels', rounds=1, prune=0)
    with pytest.raises(ValueError, match='a score of gradients would see 0 of them'):
        RUNNERS.build(small(tmp_path / 'none', warmup=0, **fields)).train()
    RUNNERS.build(small(tmp_path, epochs=2, warmup='4 iters', **fields)).train()
    assert json.loads((tmp_path / 'rounds.json').read_text())[0]['iteration'] == 4
