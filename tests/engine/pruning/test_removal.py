"""The removal inside a running training: nothing else may notice."""

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import EMAHook
from mmengine.registry import METRICS, RUNNERS

from mmrobustprune.engine.gradual.hook import PrunePhaseHook
from tests.support.tiny import classifier, pruned

EMA = dict(custom_hooks=[dict(type='EMAHook', momentum=0.1)])


@METRICS.register_module(force=True)
class Scripted(BaseMetric):
    """A metric that says what it was told to, validation by validation."""

    default_prefix = 'said'
    values: list = []

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return dict(score=type(self).values.pop(0))


def run(folder, monkeypatch=None, **changes):
    runner = RUNNERS.build(pruned(classifier(folder, **changes), recalibrate=''))
    if monkeypatch is not None:
        monkeypatch.setattr(PrunePhaseHook, '_remove', keep_masked)
    runner.train()
    return runner


def keep_masked(hook, runner):
    """Instead of the removal: go on with the masks, and remember what would have gone."""
    if hook.structure is None:
        hook.would_remove = hook.pruning.structure()


@pytest.mark.slow
@pytest.mark.parametrize(
    'optimizer',
    [dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=1e-4), dict(type='AdamW', lr=1e-3)],
    ids=['SGD', 'AdamW'],
)
def test_training_goes_on_as_if_nothing_had_happened(tmp_path, monkeypatch, optimizer):
    from mmrobustprune.structure import rebuild

    changes = dict(EMA, optim_wrapper=dict(optimizer=optimizer))
    removed = run(tmp_path / 'removed', **changes)
    masked = run(tmp_path / 'masked', monkeypatch, **changes)
    hook = next(h for h in masked.hooks if isinstance(h, PrunePhaseHook))
    average = next(h for h in masked.hooks if isinstance(h, EMAHook)).ema_model.module
    rebuild(average, hook.would_remove)
    rebuild(masked.model, hook.would_remove)
    other = next(h for h in removed.hooks if isinstance(h, EMAHook)).ema_model.module
    for found, expected in ((removed.model, masked.model), (other, average)):
        for name, value in expected.state_dict().items():
            torch.testing.assert_close(
                found.state_dict()[name], value, rtol=2e-3, atol=2e-4, msg=name
            )


def test_best_checkpoints_start_afresh(tmp_path):
    Scripted.values = [0.9, 0.8, 0.3, 0.4]
    hooks = dict(
        checkpoint=dict(type='CheckpointHook', interval=1, save_best='said/score', rule='greater')
    )
    runner = RUNNERS.build(
        pruned(
            classifier(tmp_path, default_hooks=hooks, val_evaluator=dict(type='Scripted')),
            measure=False,
        )
    )
    runner.train()
    assert len(list(tmp_path.glob('dense_best_*.pth'))) == 1
    (best,) = tmp_path.glob('best_*.pth')
    checkpoint = torch.load(best, weights_only=False)
    assert checkpoint['meta']['mmrobustprune']['structure']['layers']
    assert sum(v.numel() for v in checkpoint['state_dict'].values()) < 0.6 * sum(
        v.numel()
        for v in torch.load(next(tmp_path.glob('dense_best_*.pth')), weights_only=False)[
            'state_dict'
        ].values()
    )
    assert runner.message_hub.get_info('best_score') == 0.4


def test_early_stopping_starts_afresh(tmp_path):
    Scripted.values = [0.9, 0.8, 0.3, 0.4]
    early = dict(type='EarlyStoppingHook', monitor='said/score', rule='greater', patience=2)
    runner = RUNNERS.build(
        pruned(
            classifier(tmp_path, val_evaluator=dict(type='Scripted'), custom_hooks=[early]),
            measure=False,
        )
    )
    runner.train()
    assert (
        runner.epoch == 4
    )  # 0.8 and 0.3 are both below 0.9, but 0.3 is the first of the small network


def test_a_pruned_checkpoint_is_not_pruned_again(tmp_path):
    run(tmp_path / 'first')
    with pytest.raises(ValueError, match='pruned already'):
        run(tmp_path / 'second', load_from=str(tmp_path / 'first' / 'pruned.pth'))


def test_a_learning_rate_that_falls_on_a_plateau_starts_afresh(tmp_path):
    """It fell once, for the 0.8 of the dense network; 0.3 is the best of the small one so far."""
    Scripted.values = [0.9, 0.8, 0.3, 0.4]
    plateau = dict(monitor='said/score', rule='greater', factor=0.5, patience=0, by_epoch=True)
    scheduler = dict(plateau, type='ReduceOnPlateauLR')
    changes = dict(val_evaluator=dict(type='Scripted'), param_scheduler=scheduler)
    runner = RUNNERS.build(pruned(classifier(tmp_path, **changes), measure=False))
    runner.train()
    assert runner.optim_wrapper.get_lr()['lr'] == [0.05 / 2]
    (scheduler,) = runner.param_schedulers
    assert scheduler.best == 0.3  # the last epoch takes no step
