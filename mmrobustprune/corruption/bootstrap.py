"""How sure a difference between two models is, and what a part of a test set says of the whole."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from scipy.stats import t as student

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


def whole_set_interval(
    cells: Sequence[Evidence], of: int, draws: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Where the mean over cells of a whole test set lies, of which the images are a random part.

    Where the metric is a mean over images: Student's t of what each image contributes in all cells.
    Otherwise: the percentile bootstrap over images. The part was drawn without replacement, so both
    shrink by sqrt(1 - n / N) of n of N images (Cochran, Sampling Techniques, 1977).

    Args:
        cells: evidence of the same images in every cell.
        of: images of the whole set.
        draws, seed: of the bootstrap.
        level: probability of the interval, in (0, 1).
    Returns:
        low, high in the metric's unit.
    Raises:
        ValueError: evidence of different images, fewer than two, or more than the whole has.
    """
    counts = {one.images for one in cells}
    if len(counts) != 1 or not 2 <= min(counts) <= of:
        raise ValueError(
            f'evidence of {sorted(counts)} images gives no interval for a set of {of}; give cells '
            'of the same two images or more.'
        )
    images = counts.pop()
    shrink = (1 - images / of) ** 0.5
    single = [one.per_image() for one in cells]
    if all(one is not None for one in single):
        means = np.mean(single, axis=0)
        middle = float(means.mean())
        deviation = float(means.std(ddof=1))
        reach = float(student.ppf((1 + level) / 2, images - 1)) * deviation / images**0.5
        return middle - shrink * reach, middle + shrink * reach
    middle = float(_mean(cells, np.ones((1, images), np.float32))[0])
    found = np.concatenate([_mean(cells, rows) for rows in _resampled(images, draws, seed)])
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return middle + shrink * float(low - middle), middle + shrink * float(high - middle)


def _mean(cells: Sequence[Evidence], weights: np.ndarray) -> np.ndarray:
    """(B,) the mean over cells."""
    return np.mean([one.metric(weights) for one in cells], axis=0)


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
