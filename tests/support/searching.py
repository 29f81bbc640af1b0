"""A training that searches masks, on the small classifier."""

import torch

from tests.support.tiny import classifier, quick

ATTACK = dict(type='TRADES', beta=6.0, eps=8 / 255, step=4 / 255, steps=2)


def searched(work_dir, epochs=4, attack=ATTACK, hooks=None, workers=0, val=None, **recipe):
    """A dense epoch, two of search (perturbed in the second), one of fine-tuning; 6 steps each."""
    config = classifier(
        work_dir, epochs=epochs, workers=workers, **(dict(default_hooks=hooks) if hooks else {})
    )
    if attack:
        config.model.update(type='mmrobustprune.AdversarialClassifier', robust_loss=attack)
    if val:
        config.val_cfg = val
    config = quick(config.to_dict())
    config.runner_type = 'mmrobustprune.PruneRunner'
    config.robust_prune = dict(
        dict(
            recipe='s2ap_hydra',
            target=0.8,
            pretrain='1 epochs',
            search='2 epochs',
            warmup='1 epochs',
            gamma=0.01,
            search_optimizer=dict(lr=0.05),
        ),
        **recipe,
    )
    return config


def saved(folder, name):
    return torch.load(folder / name, weights_only=True)
