"""The Runner on a small classifier: phases, the removal, files, and kills at any point."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS

from mmrobustprune.engine.bridge.checkpoint import structure_of
from mmrobustprune.models import PrunedModel
from mmrobustprune.sharpness import AdaSAP
from mmrobustprune.sharpness.build import ASCENTS
from mmrobustprune.surgery import load_structure
from tests.support.process import run_apart, train
from tests.support.tiny import classifier, pruned, quick


def final(folder):
    return torch.load(folder / 'pruned.pth', weights_only=True)


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """One uninterrupted run: 24 iterations, warm-up 6, rounds before 8, 10 and 12."""
    folder = tmp_path_factory.mktemp('finished')
    runner = RUNNERS.build(pruned(classifier(folder)))
    runner.train()
    return folder, runner


def test_half_of_the_parameters_are_gone(finished):
    folder, runner = finished
    kept = sum(p.numel() for p in runner.model.parameters())
    dense = sum(p.numel() for p in RUNNERS.build(classifier(folder / 'dense')).model.parameters())
    assert 0.5 <= 1 - kept / dense <= 0.51


@pytest.mark.parametrize('score, first', [('Magnitude', 0), ('Taylor', 2), ('TaylorBN', 2)])
def test_radii_follow_every_round(tmp_path, monkeypatch, score, first):
    """Scores of gradients begin anew with every mask; radii are of before, for living neurons."""
    seen, set_scores = {}, AdaSAP.set_scores
    runner = RUNNERS.build(pruned(classifier(tmp_path), score=dict(type=score), measure=False))
    monkeypatch.setattr(
        AdaSAP,
        'set_scores',
        lambda rule, scores, alive: (
            seen.update({runner.iter: sum(int((~live).sum()) for live in alive.values())}),
            set_scores(rule, scores, alive),
        )[1],
    )
    runner.train()
    assert [at for at in seen if at < 12] == list(range(first, 12, 2))
    assert seen[6] == 0 < seen[8] < seen[10]


def test_a_checkpoint_of_another_training_is_not_pruned_at_once(tmp_path):
    RUNNERS.build(classifier(tmp_path / 'dense', epochs=2)).train()
    config = pruned(classifier(tmp_path / 'run'))
    config.load_from, config.resume = str(tmp_path / 'dense' / 'epoch_2.pth'), True
    with pytest.raises(ValueError, match='is at iteration 12, where pruning would have begun at 6'):
        RUNNERS.build(config).train()


def trained_on(folder, config, **changes):
    """The last checkpoint of one epoch that a TrainRunner adds."""
    config = quick(config.to_dict())
    config.runner_type, config.work_dir = 'mmrobustprune.TrainRunner', str(folder)
    config.train_cfg.max_epochs, config.custom_imports = 1, dict(imports=['tests.support.tiny'])
    config.update(changes)
    RUNNERS.build(config).train()
    return folder / 'epoch_1.pth'


@pytest.mark.slow
def test_checkpoints_of_a_pruned_network_trained_on_are_those_of_one(finished, tmp_path):
    """From pruned.py, and from the dense config with pruned weights; the dense one resumes both."""
    folder, runner = finished
    dense, size = classifier(tmp_path / 'dense'), sum(p.numel() for p in runner.model.parameters())
    given = dict(
        pruned=Config.fromfile(folder / 'pruned.py'),
        dense=classifier(tmp_path, load_from=str(folder / 'pruned.pth')),
    )
    for name, config in given.items():
        checkpoint = trained_on(tmp_path / name, config)
        for resume in (False, True):
            dense.load_from, dense.resume, dense.runner_type = (
                str(checkpoint),
                resume,
                'mmrobustprune.TrainRunner',
            )
            dense.work_dir, dense.train_cfg.max_epochs = (
                str(tmp_path / f'{name}-{resume}'),
                1 + resume,
            )
            again = RUNNERS.build(quick(dense.to_dict()))
            again.train()
            assert sum(p.numel() for p in again.model.parameters()) == size


def test_the_structure_is_found_in_the_config_that_a_stock_training_keeps(finished):
    folder, runner = finished
    text = Config.fromfile(folder / 'pruned.py').pretty_text
    assert (
        structure_of(dict(cfg=text)).to_dict()
        == load_structure(folder / 'structure.json').to_dict()
    )
    assert (
        structure_of(dict(cfg=classifier(folder).pretty_text))
        is structure_of(dict(cfg='no PrunedModel ('))
        is None
    )
    assert (
        structure_of(dict(cfg=text.replace('model = dict(', 'teacher = dict(', 1))) is None
    )  # of another network
    assert (
        structure_of(
            dict(
                cfg=text.replace('model = dict(', 'model = dict(module=dict(', 1).replace(
                    "type='mmrobustprune.PrunedModel')",
                    "type='mmrobustprune.PrunedModel'), type='Averaged')",
                )
            )
        )
        is not None
    )


def test_weights_of_another_structure_are_refused(finished, tmp_path):
    other = RUNNERS.build(pruned(classifier(tmp_path / 'other', seed=4), target=0.3, measure=False))
    other.train()
    config = quick(Config.fromfile(finished[0] / 'pruned.py').to_dict())
    config.load_from, config.work_dir = (
        str(tmp_path / 'other' / 'pruned.pth'),
        str(tmp_path / 'work'),
    )
    config.runner_type = 'mmrobustprune.TrainRunner'
    with pytest.raises(
        ValueError, match='has another structure .*give the pruned.py that was written with it'
    ):
        RUNNERS.build(config)


def test_what_trains_on_does_not_fall_among_the_prunings_files(finished):
    assert Config.fromfile(finished[0] / 'pruned.py').work_dir == str(finished[0] / 'trained_on')


class Stop(Hook):
    def after_train_epoch(self, runner):
        runner.train_loop.stop_training = True


def test_a_training_that_ends_before_the_removal_says_so(tmp_path):
    said, runner = [], RUNNERS.build(pruned(classifier(tmp_path)))
    runner.register_hook(Stop())
    runner.logger.warning = lambda text, *rest: said.append(str(text))
    runner.train()
    del runner.logger.warning
    assert (
        sum(
            'nothing was pruned: the training ended at iteration 6 and the removal was due at 12'
            in line
            for line in said
        )
        == 1
    )


def test_gradients_must_come_between_rounds(tmp_path):
    config = pruned(classifier(tmp_path), recipe='taylor')
    config.optim_wrapper.accumulative_counts = 4
    with pytest.raises(
        ValueError, match='accumulated over 4 batches and a score of gradients would see 2'
    ):
        RUNNERS.build(config).train()


def test_metrics_that_are_no_numbers_are_left_out(tmp_path):
    config = pruned(
        classifier(
            tmp_path,
            val_evaluator=[
                dict(type='Accuracy', topk=(1,)),
                dict(type='SingleLabelMetric', average=None),
            ],
        )
    )
    RUNNERS.build(config).train()
    assert set(json.loads((tmp_path / 'rounds.json').read_text())[0]['metric_before']) == {
        'accuracy/top1'
    }


def test_rounds_are_measured_on_both_sides(finished):
    rounds = json.loads((finished[0] / 'rounds.json').read_text())
    assert [r['iteration'] for r in rounds] == [8, 10, 12]
    assert all(r['loss_before'] > 0 and r['loss_after'] > 0 for r in rounds)
    assert ['metric_before' in r for r in rounds] == [True, False, True]
    removed = [r['removed']['channels'] for r in rounds]
    assert removed == sorted(removed) and removed[0] > 0


def test_pruned_files_give_the_runners_network(finished):
    folder, runner = finished
    inputs = torch.randn(2, 3, 16, 16)
    checkpoint = final(folder)
    model = PrunedModel(
        runner.user_cfg.model,
        str(folder / 'structure.json'),
        data_preprocessor=runner.user_cfg.data_preprocessor,
    )
    model.load_state_dict(checkpoint['state_dict'])
    runner.model.eval()
    with torch.no_grad():
        assert torch.equal(model.eval()(inputs, mode='tensor'), runner.model(inputs, mode='tensor'))
    assert (
        load_structure(folder / 'structure.json').to_dict()
        == checkpoint['meta']['mmrobustprune']['structure']
    )


def test_the_config_in_the_checkpoint_is_a_stock_one(finished):
    from mmengine.config import Config

    config = Config.fromstring(final(finished[0])['meta']['cfg'], '.py')
    assert config.model.type == 'mmrobustprune.PrunedModel'
    assert not {'runner_type', 'robust_prune'} & set(config)
    assert config.train_cfg.by_epoch is True and 'type' not in config.optim_wrapper


@pytest.mark.slow
@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize(
    'kill_at, interval',
    [(4, 2), (11, 1), (12, 4), (21, 5)],
    ids=['warmup', 'prune', 'cut', 'finetune-mid-epoch'],
)
def test_a_killed_run_ends_with_the_same_weights(finished, tmp_path, kill_at, interval, workers):
    hooks = dict(checkpoint=dict(type='CheckpointHook', interval=interval, by_epoch=False))
    config = pruned(classifier(tmp_path, workers=workers, default_hooks=hooks))
    assert run_apart(train, config, kill_at) == -9
    assert not (tmp_path / 'pruned.pth').exists()
    assert run_apart(train, config, None, True) == 0
    expected, found = final(finished[0])['state_dict'], final(tmp_path)['state_dict']
    assert expected.keys() == found.keys()
    for key in expected:
        assert torch.equal(expected[key], found[key]), key


@pytest.mark.slow
@pytest.mark.parametrize('ascent', [name for name in ASCENTS if name != 'fresh'])
def test_a_cheap_ascent_prunes_and_a_killed_run_ends_alike(tmp_path, ascent):
    hooks = dict(checkpoint=dict(type='CheckpointHook', interval=3, by_epoch=False))

    def config(name):
        made = pruned(classifier(tmp_path / name, default_hooks=hooks), ascent=ascent)
        if ASCENTS[ascent].parts:  # it may ask for the loss of each sample
            made.model.head.loss = dict(type='CrossEntropyLoss', reduction='none')
        return made

    assert run_apart(train, config('whole'), None) == 0
    for kill_at in (11, 14):  # under masks, and after the removal
        folder = f'killed_{kill_at}'
        assert run_apart(train, config(folder), kill_at) == -9
        assert run_apart(train, config(folder), None, True) == 0
        expected = final(tmp_path / 'whole')['state_dict']
        found = final(tmp_path / folder)['state_dict']
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected)
