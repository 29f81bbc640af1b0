"""Adversarial trainings of the tiny classifier, for processes of their own too."""

import json
from pathlib import Path

from mmengine.hooks import Hook

from tests.support.tiny import classifier


class WriteMetrics(Hook):
    """Every rank leaves what validation gave it in `metrics<rank>.json`."""

    def after_val_epoch(self, runner, metrics=None):
        (Path(runner.work_dir) / f'metrics{runner.rank}.json').write_text(json.dumps(metrics))


def adversarial(folder, robust_loss=None, validation=None, hooks=(), **changes):
    """One epoch of TRADES in two steps, validated under PGD in two steps; a config."""
    config = classifier(
        folder, epochs=1, custom_hooks=[dict(type='tests.support.adversarial.WriteMetrics'), *hooks]
    )
    config.model.update(
        type='mmrobustprune.AdversarialClassifier',
        robust_loss=robust_loss or dict(type='TRADES', steps=2),
    )
    config.val_cfg = dict(dict(type='mmrobustprune.AttackedValLoop', steps=2), **(validation or {}))
    config.runner_type = 'mmrobustprune.TrainRunner'
    config.merge_from_dict(changes)
    return config
