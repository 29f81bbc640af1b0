"""Images of a config to evaluate on, and what its evaluator says of any network's answers."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.registry import EVALUATOR
from torch import nn
from torch.utils.data import DataLoader, Subset

from mmrobustprune.attack import choose_subset

from .data import info_of
from .runner import RebuildRunner
from .sampled import batch_size


class EvaluationImages:
    """Images of a config's validation or test set with their evaluator.

    Args:
        config: has the loader and the evaluator of the split.
        split: 'val' or 'test'.
        subset: at most so many random images; None takes all.
        seed: of the choice.

    Attributes:
        places: of the images in the data set.
        loader: over them in their order, in the batches of the config.
        evaluator: sees nothing yet.

    Raises:
        ValueError: the config has no such loader or evaluator.
        FileNotFoundError: the data is not there.
    """

    def __init__(
        self, config: Config, split: str = 'test', subset: int | None = None, seed: int = 0
    ) -> None:
        settings = config.get(f'{split}_dataloader')
        if not settings or not config.get(f'{split}_evaluator'):
            raise ValueError(
                f'the config has no {split}_dataloader and {split}_evaluator; add them.'
            )
        loader = build_loader(config, f'{split}_dataloader')
        total = len(loader.dataset)
        size = None if subset is None else min(subset, total)
        self.places = choose_subset(total, size, seed=seed).tolist()
        self.loader = DataLoader(
            Subset(loader.dataset, self.places),
            batch_size=batch_size(loader),
            num_workers=loader.num_workers,
            collate_fn=loader.collate_fn,
            generator=torch.Generator(),
        )
        self.evaluator = _evaluator_of(config[f'{split}_evaluator'])
        self.evaluator.dataset_meta = getattr(loader.dataset, 'metainfo', None)
        if subset is not None:
            _count_only(self.evaluator, loader.dataset, self.places)

    @torch.no_grad()
    def feed(self, model: nn.Module, batches: Iterable[Any] | None = None) -> None:
        """Let the evaluator see a network's answers.

        Args:
            model: of OpenMMLab, put into evaluation mode.
            batches: collated; by default those of the loader.
        """
        model.eval()
        for batch in self.loader if batches is None else batches:
            batch = copy.deepcopy(batch)  # some models change samples in place
            self.evaluator.process(data_samples=model.test_step(batch), data_batch=batch)

    def metrics(self, model: nn.Module) -> dict[str, Any]:
        """What the evaluator says of a network."""
        self.feed(model)
        return self.evaluator.evaluate(len(self.places))


@contextmanager
def quiet_log() -> Iterator[None]:
    """Inside, only warnings are logged: some evaluators log a table of every class."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('WARNING')
    try:
        yield
    finally:
        logger.setLevel(level)


def build_loader(config: Config, name: str) -> DataLoader:
    """A loader of a config, as the project's own scripts build it.

    Raises:
        FileNotFoundError: the data is not there.
    """
    settings = copy.deepcopy(config[name])
    if config.get('default_scope') == 'mmpretrain':
        settings.setdefault('collate_fn', dict(type='default_collate'))
    return RebuildRunner.build_dataloader(settings)


def _evaluator_of(settings: Any) -> Evaluator:
    settings = copy.deepcopy(settings)
    if isinstance(settings, dict) and 'metrics' in settings:
        return EVALUATOR.build(dict(dict(type='Evaluator'), **settings))
    return Evaluator(settings)


def _count_only(evaluator: Evaluator, dataset: Any, places: Sequence[int]) -> None:
    """Metrics that read annotations of their own count the images at these places alone."""
    for metric in evaluator.metrics:
        if 'img_ids' in vars(metric):  # COCO's and LVIS's, which else take every annotated image
            metric.img_ids = [info_of(dataset, place)['img_id'] for place in places]
