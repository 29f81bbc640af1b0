"""Validation under attack: the number that the attack alone gives, and nothing moved by it."""

import copy

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, RUNNERS

from mmrobustprune.attack import PGD
from mmrobustprune.engine.attacks.val_loop import AttackedValLoop
from mmrobustprune.engine.bridge.images import LabelledImages
from mmrobustprune.engine.pruning.validation import validate
from mmrobustprune.models.pixels import pixel_classifier
from tests.support.passes import generators, seed_all
from tests.support.tiny import classifier


@HOOKS.register_module(force=True)
class Noted(Hook):
    """What validation gave to the hooks."""

    def after_val_epoch(self, runner, metrics=None):
        runner.noted = dict(metrics)


def build(folder, validation=None, **changes):
    config = classifier(folder, epochs=2, custom_hooks=[dict(type='Noted')], **changes)
    config.train_cfg = dict(type='mmrobustprune.ResumableEpochLoop', max_epochs=2, val_interval=1)
    config.val_cfg = dict(dict(type='mmrobustprune.AttackedValLoop', steps=2), **(validation or {}))
    return RUNNERS.build(config)


def by_hand(runner, places, **fields):
    """Percent right under the attack, picture by picture."""
    attack = PGD(**dict(dict(eps=8 / 255, step=2 / 255, steps=2, random_start=True), **fields))
    model, right = pixel_classifier(runner.model).eval(), 0
    for place in places:
        ((x, y),) = LabelledImages(runner.val_loop.dataloader).batches([[int(place)]])
        right += int(attack(model, x, y, torch.tensor([place])).robust['pgd'].sum())
    return 100 * right / len(places)


def test_validation_gains_the_accuracy_under_attack(tmp_path):
    runner = build(tmp_path, dict(eps=0.2, step=0.1, images=None))
    before = copy.deepcopy(runner.model.state_dict())
    metrics = runner.val_loop.run()
    assert metrics == runner.noted and set(metrics) == {'accuracy/top1', 'attacked/pgd'}
    assert metrics['attacked/pgd'] == pytest.approx(by_hand(runner, range(24), eps=0.2, step=0.1))
    assert runner.val_loop.run() == metrics
    assert all(
        torch.equal(value, before[name]) for name, value in runner.model.state_dict().items()
    )
    assert validate(runner) == metrics  # as the rounds of a pruning ask it


def test_the_attack_moves_no_generator(tmp_path):
    """Stock validation draws one number for its loader; the attack must not draw another."""
    loop, ends = build(tmp_path).val_loop, []
    for _ in range(2):
        seed_all()
        loop.run()
        ends.append(generators())
        del loop.evaluator.metrics[1:]
    assert ends[0] == ends[1]


def test_a_subset_is_the_same_random_one_every_time(tmp_path):
    runner = build(tmp_path, dict(images=10, eps=0.0, step=0.0))
    loop = runner.val_loop
    assert len(loop.places) == 10 and list(loop.places) != list(range(10))
    assert loop.run()['attacked/pgd'] == pytest.approx(
        by_hand(runner, loop.places, eps=0.0, step=0.0)
    )
    assert AttackedValLoop(
        runner, loop.dataloader, loop.evaluator, images=10, pick='first'
    ).places.tolist() == list(range(10))


def test_the_best_checkpoint_is_the_most_robust(tmp_path):
    best = dict(type='CheckpointHook', save_best='attacked/pgd', rule='greater')
    runner = build(tmp_path, default_hooks=dict(checkpoint=best))
    runner.train()
    assert len(list(tmp_path.glob('best_attacked_pgd_epoch_*.pth'))) == 1


def test_an_attack_in_grey_levels_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r'pgd got eps=8; pixels lie in \[0, 1\] here, so write 8/255'
    ):
        build(tmp_path, dict(eps=8)).val_loop  # noqa: B018  built when it is asked for
