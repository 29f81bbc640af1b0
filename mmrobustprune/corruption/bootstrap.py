"""How sure a difference between two models is: both over the same resampled images."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from .evidence import Evidence

_ELEMENTS = 1 << 23  # of one batch of draws


def paired_margin(
    ours: Mapping[str, Sequence[Evidence]],
    theirs: Mapping[str, Sequence[Evidence]],
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    over: Collection[str] | None = None,
) -> dict[str, tuple[float, float, float]]:
    """Differences ours - theirs with percentile intervals of the paired bootstrap (Efron, 1979).

    Every draw takes as many images as there are, with replacement, the same for both models, all
    corruptions and all severities; images are what differs, not the training.

    Args:
        ours, theirs: corruption -> evidence of each severity; means are over severities.
        draws: resampled sets of images.
        level: probability of the interval, in (0, 1).
        seed: of the draws.
        over: corruptions that the mean is over; by default all.
    Returns:
        corruption -> (difference, low, high) in the metric's unit, and the mean under 'mean'.
    Raises:
        ValueError: other corruptions, severities or images in one of them, or a wrong number.
    """
    images = _check(ours, theirs, draws, level)
    mean = [name in (ours if over is None else over) for name in ours]
    plain = _differences(ours, theirs, np.ones((1, images), np.float32), mean)
    found = np.concatenate(
        [_differences(ours, theirs, weights, mean) for weights in _resampled(images, draws, seed)],
        axis=1,
    )
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2], axis=1)
    return {
        name: (float(plain[row, 0]), float(low[row]), float(high[row]))
        for row, name in enumerate([*ours, 'mean'])
    }


def _differences(
    ours: Mapping[str, Sequence[Evidence]],
    theirs: Mapping[str, Sequence[Evidence]],
    weights: np.ndarray,
    mean: Sequence[bool],
) -> np.ndarray:
    """(corruptions + 1, B); the last row is the mean over the corruptions that `mean` marks."""
    rows = []
    for name in ours:
        pairs = zip(ours[name], theirs[name], strict=True)
        margins = [one.metric(weights) - other.metric(weights) for one, other in pairs]
        rows.append(np.mean(margins, axis=0))
    return np.stack([*rows, np.mean(np.stack(rows)[np.array(mean)], axis=0)])


def _resampled(images: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """(B, images) how often each image was drawn, in batches of bounded size."""
    generator = np.random.default_rng(seed)
    batch = max(1, _ELEMENTS // images)
    for start in range(0, draws, batch):
        rows = min(batch, draws - start)
        chosen = generator.integers(images, size=(rows, images)) + images * np.arange(rows)[:, None]
        counts = np.bincount(chosen.ravel(), minlength=rows * images)
        yield counts.reshape(rows, images).astype(np.float32)


def _check(
    ours: Mapping[str, Sequence[Evidence]],
    theirs: Mapping[str, Sequence[Evidence]],
    draws: int,
    level: float,
) -> int:
    """The number of images, which all share."""
    if not ours or set(ours) != set(theirs) or not all(ours.values()):
        raise ValueError(
            f'one model has evidence of {", ".join(ours) or "nothing"} and the other of '
            f'{", ".join(theirs) or "nothing"}; give both the same corruptions.'
        )
    for name in ours:
        if len(ours[name]) != len(theirs[name]):
            raise ValueError(
                f'{name} has {len(ours[name])} severities of one model and {len(theirs[name])} of '
                'the other; give both the same.'
            )
    counts: set[int] = set()
    for row in (*ours.values(), *theirs.values()):
        counts.update(one.images for one in row)
    if len(counts) > 1 or 0 in counts:
        raise ValueError(
            f'evidence of {sorted(counts)} images cannot be paired; evaluate both models on the '
            'same test set.'
        )
    if draws < 1 or not 0 < level < 1:
        raise ValueError(
            f'draws={draws} and level={level} give no interval; take at least one draw and a level '
            'in (0, 1).'
        )
    return counts.pop()
