"""Corruption suites as data: names in groups, severities, and the images a suite's name is for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, product
from typing import Any, NamedTuple

from mmrobustprune.naming import unknown

GROUPS = {
    'noise': ('gaussian_noise', 'shot_noise', 'impulse_noise'),
    'blur': ('defocus_blur', 'glass_blur', 'motion_blur', 'zoom_blur'),
    'weather': ('snow', 'frost', 'fog', 'brightness'),
    'digital': ('contrast', 'elastic_transform', 'pixelate', 'jpeg_compression'),
    'extra': ('speckle_noise', 'gaussian_blur', 'spatter', 'saturate'),
}
ALL = tuple(chain.from_iterable(GROUPS.values()))
BENCHMARK = (  # written out: published means are over these fifteen, whatever else there is
    'gaussian_noise',
    'shot_noise',
    'impulse_noise',
    'defocus_blur',
    'glass_blur',
    'motion_blur',
    'zoom_blur',
    'snow',
    'frost',
    'fog',
    'brightness',
    'contrast',
    'elastic_transform',
    'pixelate',
    'jpeg_compression',
)
SEVERITIES = (1, 2, 3, 4, 5)
TINY = (32, 32)  # height and width of images for which ImageNet-C's functions were not made


class Cell(NamedTuple):
    """One corruption (a name of its suite) at one severity (1 to 5)."""

    corruption: str
    severity: int


CLEAN = Cell('clean', 0)  # the uncorrupted pass is kept like every other cell


@dataclass(frozen=True)
class Suite:
    """A named set of corruptions, and everything that goes by its name.

    Attributes:
        name: of the suite.
        corruptions: what its means, mPC first of all, are over.
        severities: in rising order.
        side: the only image side (pixels) it is for, or None.
        family: whose functions and constants: a name of `apply.FAMILIES`.
        tensors: whether they are computed as tensors, on the model's device (`tensor`).
        cropped: whether they make the network's 224x224 pixels of a photograph themselves.
        published: how its authors' files are laid out: 'folders', 'arrays' or None
            (`stored.open_stored`).
        groups: group -> corruptions in the order of its tables, those that no mean is over too.
        metrics: classes of evaluators whose suite it is by default.
        datasets: classes of data sets whose suite it is by default, rather than their metric's.
        baseline: what mCE is relative to by default, a name of `baselines.BASELINES`, or None.
    """

    name: str
    corruptions: tuple[str, ...] = BENCHMARK
    severities: tuple[int, ...] = SEVERITIES
    side: int | None = None
    family: str = 'imagenet'
    tensors: bool = False
    cropped: bool = False
    published: str | None = None
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: GROUPS, hash=False)
    metrics: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    baseline: str | None = None

    @property
    def all(self) -> tuple[str, ...]:
        """Every corruption, group by group."""
        return tuple(chain.from_iterable(self.groups.values()))

    def group_of(self, corruption: str) -> str:
        """The group that a corruption of the suite belongs to."""
        return next(group for group, names in self.groups.items() if corruption in names)

    def share(self, kinds: int) -> str:
        """'15 of 19 corruptions', so that nobody takes a part for the whole."""
        every = len(self.all)
        return f'{kinds} of {every} corruptions' if kinds < every else f'all {every} corruptions'

    def stamp(self, seed: int | None) -> dict[str, Any]:
        """What a record says of its images: suite and seed, None of published ones.

        The family stands there, too, where the name once meant other images (`name_of`).
        """
        plain = dict(suite=self.name, seed=seed)
        return plain if name_of(plain) == self.name else dict(plain, family=self.family)

    def expand(self, corruptions: str | Iterable[str]) -> tuple[str, ...]:
        """Corruption names for names and groups, each once, in the suite's order.

        Args:
            corruptions: names, groups, 'benchmark' (what means are over) or 'all'.
        Raises:
            ValueError: an unknown name (the nearest one is given), or none at all.
        """
        every = self.all
        sets = {**self.groups, 'benchmark': self.corruptions, 'all': every}
        asked = (corruptions,) if isinstance(corruptions, str) else tuple(corruptions)
        names: set[str] = set()
        for name in asked:
            if name not in every and name not in sets:
                raise unknown('corruption', name, (*every, *sets))
            names.update(sets.get(name, (name,)))
        if not names:
            raise ValueError(f'no corruption was given; choose among {", ".join(every)}.')
        return tuple(name for name in every if name in names)

    def choose(
        self,
        corruptions: str | Iterable[str] | None = None,
        severities: int | Iterable[int] | None = None,
    ) -> tuple[Cell, ...]:
        """The cells of a part of the suite, corruption by corruption in the suite's order.

        Args:
            corruptions: names, or groups ('noise', 'blur', 'weather', 'digital', 'extra',
                'benchmark', 'all'); None means the suite's own.
            severities: among the suite's; None means all of them.
        Raises:
            ValueError: a name or severity that is not there, or nothing chosen.
        """
        names = self.expand(self.corruptions if corruptions is None else corruptions)
        levels = self._levels(self.severities if severities is None else severities)
        return tuple(Cell(name, level) for name, level in product(names, levels))

    def _levels(self, severities: int | Iterable[int]) -> tuple[int, ...]:
        one = isinstance(severities, (int, float, str))
        asked = (severities,) if one else tuple(severities)
        allowed = f'{self.severities[0]}..{self.severities[-1]}'
        for level in asked:
            if isinstance(level, bool) or level not in self.severities:
                raise ValueError(
                    f"severity {level!r} is not in {allowed} of suite '{self.name}'; drop it."
                )
        if not asked:
            raise ValueError(f'no severity was given; choose among {allowed}.')
        return tuple(level for level in self.severities if level in asked)

    def fits(self, height: int, width: int) -> bool:
        """Whether the suite's name is for images of this size (pixels)."""
        if self.side is None:
            return (height, width) != TINY
        return height == width == self.side

    def check(self, height: int, width: int) -> None:
        """Refuse images that the suite's name is not for.

        Raises:
            ValueError: 32x32 images under an ImageNet-sized suite, or the other way round.
        """
        if self.fits(height, width):
            return
        here = f'the data set has {width}x{height} images'
        if self.side is not None:
            raise ValueError(
                f"suite '{self.name}' is for {self.side}x{self.side} images and "
                f"{here}; choose 'imagenet-c', 'voc-c' or 'coco-c'."
            )
        raise ValueError(
            f"{here}, whose numbers nobody must read as those of '{self.name}'; choose suite "
            "'cifar-10-c', or 'imagenet-c-at-32' for ImageNet-C's constants."
        )


_CLASSIFIED = ('Accuracy', 'SingleLabelMetric', 'MultiLabelMetric', 'MultiTasksMetric')
SUITES = {
    suite.name: suite
    for suite in (
        Suite('voc-c', metrics=('VOCMetric',)),
        Suite('coco-c', metrics=('CocoMetric',)),
        Suite(
            'imagenet-c',
            family='imagenet-c',
            cropped=True,
            published='folders',
            metrics=_CLASSIFIED,
            datasets=('ImageNet',),
            baseline='alexnet',
        ),
        Suite('imagenet-c-uncropped', metrics=_CLASSIFIED),
        Suite('cifar-10-c', side=32, family='cifar', published='arrays', datasets=('CIFAR10',)),
        Suite('imagenet-c-tensor', tensors=True),
        Suite('imagenet-c-at-32', side=32, metrics=('VOCMetric', 'CocoMetric', *_CLASSIFIED)),
    )
}


def get_suite(name: str) -> Suite:
    """The suite of that name.

    Raises:
        ValueError: an unknown name (the nearest one is given).
    """
    if name not in SUITES:
        raise unknown('suite', name, SUITES)
    return SUITES[name]


def name_of(record: Mapping[str, Any]) -> str:
    """The name that the suite of a record has today.

    Computed images of 'imagenet-c' were once whole photographs, corrupted before they were cropped,
    and records of them know no family or that of imagecorruptions: 'imagenet-c-uncropped'.
    """
    name = str(record.get('suite'))
    whole = record.get('seed') is not None and record.get('family', 'imagenet') == 'imagenet'
    return 'imagenet-c-uncropped' if name == 'imagenet-c' and whole else name


def suite_of(results: Mapping[str, Any]) -> Suite:
    """The suite that results were made with; ImageNet-C's names where they do not know it."""
    name = name_of(results)
    return SUITES.get(name, Suite(name))


def default_suite(
    metric: str, dataset: str, height: int, width: int, published: bool = False
) -> Suite | None:
    """The suite for a metric, a data set (names of classes) and its images (pixels), if any.

    Args:
        published: the corrupted images are read from the layout of a published set.
    """
    fitting = [suite for suite in SUITES.values() if suite.fits(height, width)]
    found = [suite for suite in fitting if metric in suite.metrics]
    if not found:
        return None
    own = [suite for suite in fitting if dataset in suite.datasets]
    laid_out = [suite for suite in found if published and suite.published is not None]
    of_this_size = [suite for suite in found if suite.side is not None]
    general = [suite for suite in found if not suite.datasets]
    return [*own, *laid_out, *of_this_size, *general, *found][0]


def expand(
    corruptions: str | Iterable[str],
    suite: Suite = SUITES['imagenet-c'],  # noqa: B008  frozen
) -> tuple[str, ...]:
    """As `Suite.expand`, of ImageNet-C's names by default."""
    return suite.expand(corruptions)
