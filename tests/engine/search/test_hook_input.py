"""What a search of masks refuses, warns of and stops at."""

import json

import pytest
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS

from mmrobustprune.engine.pruning.schedule import Plan
from mmrobustprune.engine.search.phases import SearchTimes
from mmrobustprune.recipes.build import build_recipe
from tests.support.searching import searched


def test_a_last_mask_that_misses_the_target_is_said(tmp_path):
    said, host = [], dict(type='HARP', start=0.9, growth=1e-6)
    runner = RUNNERS.build(
        searched(tmp_path, attack=None, recipe='s2ap_harp', target=0.9, host=host, select='last')
    )
    runner.logger.warning = lambda text, *rest: said.append(str(text))
    runner.train()
    del runner.logger.warning
    assert sum('does not meet the target of 0.9' in line for line in said) == 1
    assert json.loads((tmp_path / 'stages.json').read_text())[1]['meets_target'] is False


def test_a_second_pass_that_is_not_finite_ends_the_search(tmp_path):
    """A network whose normalisations stand still shows nothing of it in the first."""
    runner = RUNNERS.build(
        searched(
            tmp_path,
            attack=None,
            recipe='s2ap_rlth',
            pretrain=0,
            search=None,
            epochs=2,
            warmup=0,
            select='last',
        )
    )
    loss, calls = runner.model.loss, []

    def infinite(*args, **kwargs):
        calls.append(0)
        return {
            name: value * float('inf') if len(calls) == 16 else value
            for name, value in loss(*args, **kwargs).items()
        }

    runner.model.loss = infinite
    with pytest.raises(
        ValueError,
        match="loss of the second pass of phase 'search' is inf at iteration 7; nothing is saved",
    ):
        runner.train()
    assert not (tmp_path / 'epoch_2.pth').exists()


class SpoilScores(Hook):
    """Scores become NaN in the second epoch, by a gradient that the loss does not show."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.epoch == 1:
            search = next(hook for hook in runner.hooks if hasattr(hook, 'search')).search
            next(iter(search.layers.values())).scores.data.view(-1)[0] = float('nan')


def test_scores_that_are_not_finite_are_not_saved(tmp_path):
    runner = RUNNERS.build(
        searched(
            tmp_path,
            attack=None,
            recipe='s2ap_rlth',
            pretrain=0,
            search=None,
            epochs=2,
            select='last',
        )
    )
    runner.register_hook(SpoilScores())
    with pytest.raises(ValueError, match='are infinite or NaN, so they choose nothing'):
        runner.train()
    assert (tmp_path / 'epoch_1.pth').exists() and not (tmp_path / 'epoch_2.pth').exists()


def test_a_metric_that_is_not_there_is_said_at_the_first_validation(tmp_path):
    config = searched(tmp_path, attack=None, recipe='s2ap_harp', metric='attacked/pgd')
    with pytest.raises(ValueError, match="metric='attacked/pgd' is no metric of the validation"):
        RUNNERS.build(config).train()
    assert not (tmp_path / 'epoch_2.pth').exists()


def test_a_mask_chosen_by_test_images_is_said(tmp_path):
    said = []
    for select, name in (('best', 'a'), ('last', 'b')):
        config = searched(tmp_path / name, attack=None, select=select, metric='accuracy/top1')
        config.test_dataloader, config.test_evaluator, config.test_cfg = (
            config.val_dataloader,
            config.val_evaluator,
            {},
        )
        runner = RUNNERS.build(config)
        runner.logger.warning = lambda text, *rest: said.append(str(text))
        runner.train()
        del runner.logger.warning
    assert sum('images that also test' in line for line in said) == 1


def test_a_search_warns_of_random_weights_where_it_reads_them(tmp_path):
    for place, (recipe, expected) in enumerate((('s2ap_hydra', 1), ('s2ap_rlth', 0))):
        runner = RUNNERS.build(
            searched(
                tmp_path / str(place),
                attack=None,
                epochs=1,
                recipe=recipe,
                pretrain=0,
                search=None,
                select='last',
                warmup=0,
            )
        )
        said = []
        runner.logger.warning = lambda text, *rest, said=said: said.append(str(text))
        runner.train()
        del runner.logger.warning
        assert sum('random weights' in line for line in said) == expected


@pytest.mark.parametrize(
    'recipe, sentence',
    [
        (dict(recipe='s2ap_hydra', target=1.5), 'target'),
        (dict(recipe='s2ap_hydra', target=0.9, perturb='scroes'), "did you mean 'scores'"),
        (
            dict(recipe='s2ap_harp', target=0.9, select='first'),
            "unknown robust_prune.select 'first'",
        ),
        (dict(recipe='s2ap_hydra', target=0.9, gama=1), "did you mean 'gamma'"),
        (dict(recipe='s2ap_hydra', target=0.9, gamma=-1), 'gamma'),
    ],
)
def test_wrong_fields_are_one_sentence(recipe, sentence):
    with pytest.raises(ValueError, match=sentence):
        build_recipe(recipe)


def test_the_host_alone_is_fine_tuned_in_one_pass():
    none, ours = (
        build_recipe(dict(recipe='s2ap_hydra', target=0.9, perturb=perturb))
        for perturb in ('none', 'scores')
    )
    assert none.awp_rule() is None and ours.awp_rule().gamma == ours.gamma
    assert (
        build_recipe(dict(recipe='s2ap_hydra', target=0.9, perturb='none', finetune_gamma=0.1))
        .awp_rule()
        .gamma
        == 0.1
    )


def test_phases_longer_than_the_schedule():
    fields = dict(pretrain='9 epochs', search='2 epochs')
    recipe = build_recipe(dict(recipe='s2ap_hydra', target=0.9, **fields))
    with pytest.raises(ValueError, match='both must fit'):
        SearchTimes.of(recipe, Plan.of(recipe.phases(), 100, 10), 10)


def test_a_moving_average_is_refused(tmp_path):
    config = searched(tmp_path)
    config.custom_hooks = [dict(type='EMAHook')]
    with pytest.raises(ValueError, match='EMAHook'):
        RUNNERS.build(config).train()
