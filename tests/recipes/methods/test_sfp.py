"""SFP and its neighbours: what is zeroed, what learns on, what is removed at the end."""

import json

import pytest
import torch

pytest.importorskip('mmengine')
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS

from mmrobustprune.recipes.build import build_recipe
from tests.support.small import small


class Filters(Hook):
    """The norms of the filters of `last` before and after every step."""

    priority = 'LOWEST'  # after the masks

    def __init__(self):
        self.before, self.after, self.momentum = [], [], []

    def norms(self, runner):
        return runner.model.last.weight.detach().flatten(1).norm(dim=1)

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.before.append(self.norms(runner))
        state = runner.optim_wrapper.optimizer.state.get(runner.model.last.weight, {})
        self.momentum.append(state.get('momentum_buffer', torch.zeros(1)).abs().sum())

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.after.append(self.norms(runner))


def test_filters_are_zeroed_each_epoch_learn_on_and_the_last_choice_is_removed(tmp_path):
    """Three epochs of 6 iterations: 3 of 10 filters are zero as the next epoch begins."""
    seen = Filters()
    config = small(tmp_path, epochs=3, save=6, recipe='sfp', target=0.29, budget='channels')
    runner = RUNNERS.build(config)
    runner.register_hook(seen)
    runner.train()
    zero = [int((norms == 0).sum()) for norms in seen.before]
    assert [number for number, count in enumerate(zero) if count] == [6, 12]
    assert zero[6] == zero[12] == 3
    lowest = seen.after[5].argsort()[:3]
    assert (seen.before[6][lowest] == 0).all() and (seen.before[7] > 0).all()
    assert torch.equal(seen.before[6][seen.before[6] > 0], seen.after[5][seen.before[6] > 0])
    assert seen.momentum[6] > 0
    rounds = json.loads((tmp_path / 'rounds.json').read_text())
    assert [one['iteration'] for one in rounds] == [6, 12, 18]
    assert (runner.model.stem.out_channels, runner.model.last.out_channels) == (6, 7)
    assert rounds[-1]['surgery_error'] < 1e-4
    final = torch.load(tmp_path / 'iter_18.pth', weights_only=True)
    assert len(final['state_dict']['last.weight']) == 7  # before the last checkpoint


@pytest.mark.parametrize(
    'name, score',
    [
        ('sfp', dict(type='FilterNorm', p=2)),
        ('soft_fpgm', dict(type='FPGM')),
        ('smooth_sfp', dict(type='SmoothMix', alpha=0.9)),
    ],
)
def test_neighbours_differ_by_their_score(name, score):
    recipe = build_recipe(dict(recipe=name, target=0.4))
    assert recipe.score == score
    soft, finetune = recipe.phases()
    assert (soft.length, soft.rounds, finetune.name) == (None, '1 epochs', 'finetune')


def test_fields_that_the_method_leaves_no_choice_of_are_unknown():
    for fields in (dict(rounds=3), dict(scope='network'), dict(warmup=0.1)):
        with pytest.raises(ValueError, match=f'robust_prune.*{list(fields)[0]}'):
            build_recipe(dict(recipe='sfp', target=0.4, **fields))


@pytest.mark.parametrize('every', [1, 0.25])
def test_a_pace_without_unit_would_be_a_number_of_rounds(every):
    with pytest.raises(ValueError, match=f'every={every} has no unit; say how long filters learn'):
        build_recipe(dict(recipe='sfp', target=0.5, every=every))
