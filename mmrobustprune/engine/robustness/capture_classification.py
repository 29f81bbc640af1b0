"""Records of mmpretrain's classification metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from mmrobustprune.corruption.evidence import Hits

from .capture import Reading, Record


class _ClassificationRecord(Record):
    def compute_metrics(self, results: list) -> Mapping[str, Any]:
        """As `Record`'s, of scores and labels that go together.

        Raises:
            ValueError: they do not, so that the metric would give a number of nothing.
        """
        labels = torch.cat([one['gt_label'].reshape(-1) for one in results])
        outputs = results[0]['pred_score'].numel() if 'pred_score' in results[0] else None
        if outputs == 1:
            raise ValueError(
                f'the network gives 1 score for each image, so {type(self.metric).__name__} counts '
                'every image as class 0; give a head with a score for each class.'
            )
        if outputs is not None and labels.max() >= outputs:
            raise ValueError(
                f'the network gives {outputs} scores for each image and the labels of the test set '
                f'go up to {labels.max()}; give a test set of its classes, or another checkpoint.'
            )
        return super().compute_metrics(results)

    @property
    def truth(self) -> torch.Tensor:
        return torch.cat([one['gt_label'] for one in self.results])

    @property
    def scored(self) -> bool:
        """Whether the model gives scores, and not labels alone."""
        return 'pred_score' in self.results[0]

    def _top(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, count) highest scores and their labels, as both metrics take them."""
        return torch.stack([one['pred_score'] for one in self.results]).float().topk(count, dim=1)

    @property
    def labels(self) -> torch.Tensor:
        return torch.cat([one['pred_label'] for one in self.results])

    def _suffixes(self) -> dict[str, float | None]:
        """What the metric adds to its names -> threshold of the score."""
        if len(self.metric.thrs) == 1:
            return {'': self.metric.thrs[0]}
        return {
            '_no-thr' if value is None else f'_thr-{value:.2f}': value for value in self.metric.thrs
        }


class AccuracyRecord(_ClassificationRecord):
    """Accuracy: `top1`, `top5` and so on, at any threshold of the score."""

    def _read(self, name: str) -> Reading | None:
        correct = self._correct(name)
        if correct is None:
            return None
        truth = self.truth.numpy()
        values = {label: 100 * correct[truth == label].mean() for label in np.unique(truth)}
        return self._named(values), Hits(correct)

    def _correct(self, name: str) -> np.ndarray | None:
        if not self.scored:
            return (self.labels == self.truth).numpy() if name == 'top1' else None
        for suffix, threshold in self._suffixes().items():
            for limit in self.metric.topk:
                if name == f'top{limit}{suffix}':
                    scores, labels = self._top(max(self.metric.topk))
                    right = labels == self.truth[:, None]
                    sure = True if threshold is None else scores > threshold
                    return (right & sure)[:, :limit].any(1).numpy()
        return None


class SingleLabelRecord(_ClassificationRecord):
    """SingleLabelMetric.

    The micro recall, which is the accuracy, is the one value that is a mean over images.
    """

    def _read(self, name: str) -> Reading | None:
        item, suffix, micro = self._parse(name)
        suffixes = self._suffixes() if self.scored else {'': None}
        if item not in self.metric.items or suffix not in suffixes:
            return None
        threshold = suffixes[suffix]
        options = dict(thrs=(threshold,), average=None)
        if self.scored:
            scores, labels = (one[:, 0] for one in self._top(1))
            sure = True if threshold is None else scores > threshold
            (found,) = self.metric.calculate(
                torch.stack([one['pred_score'] for one in self.results]), self.truth, **options
            )
        else:
            labels = self.labels
            sure = True
            found = self.metric.calculate(
                labels, self.truth, num_classes=self.results[0]['num_classes'], **options
            )
        of_item = dict(zip(('precision', 'recall', 'f1-score', 'support'), found, strict=True))
        values = self._named(
            {label: of_item[item][label].item() for label in self.truth.unique().tolist()}
        )
        is_mean = micro and item == 'recall'
        return values, Hits(((labels == self.truth) & sure).numpy()) if is_mean else None

    def _parse(self, name: str) -> tuple[str, str, bool]:
        """`recall_thr-0.50_micro` -> recall, _thr-0.50, True."""
        item, _, rest = name.partition('_')
        parts = [part for part in rest.split('_') if part and part != 'micro']
        return item, ''.join(f'_{part}' for part in parts), 'micro' in rest.split('_')
