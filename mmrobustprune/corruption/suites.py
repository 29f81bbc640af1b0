"""Corruption suites as data: names in groups, severities, and the images a suite's name is for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from mmrobustprune.naming import unknown

GROUPS = {
    'noise': ('gaussian_noise', 'shot_noise', 'impulse_noise'),
    'blur': ('defocus_blur', 'glass_blur', 'motion_blur', 'zoom_blur'),
    'weather': ('snow', 'frost', 'fog', 'brightness'),
    'digital': ('contrast', 'elastic_transform', 'pixelate', 'jpeg_compression'),
    'extra': ('speckle_noise', 'gaussian_blur', 'spatter', 'saturate'),
}
ALL = tuple(name for group in GROUPS.values() for name in group)
BENCHMARK = tuple(name for name in ALL if name not in GROUPS['extra'])
SEVERITIES = (1, 2, 3, 4, 5)

_SETS = {**GROUPS, 'benchmark': BENCHMARK, 'all': ALL}


class Cell(NamedTuple):
    """One corruption (a name of `ALL`) at one severity (1 to 5)."""

    corruption: str
    severity: int


@dataclass(frozen=True)
class Suite:
    """A named set of corruptions.

    Attributes:
        side: the only image side (pixels) it is for, or None.
        family: whose functions and constants: 'imagenet' or 'cifar' (`apply.FAMILIES`).
        published: how its authors' files are laid out: 'folders', 'arrays' or None (`stored.open_stored`).
    """

    name: str
    corruptions: tuple[str, ...] = BENCHMARK
    severities: tuple[int, ...] = SEVERITIES
    side: int | None = None
    family: str = 'imagenet'
    published: str | None = None

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
        names = expand(self.corruptions if corruptions is None else corruptions)
        levels = self._levels(self.severities if severities is None else severities)
        return tuple(Cell(name, level) for name in names for level in levels)

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

    def check(self, height: int, width: int) -> None:
        """Refuse images that the suite's name is not for.

        Raises:
            ValueError: 32x32 images under an ImageNet-sized suite, or the other way round.
        """
        here = f'the data set has {width}x{height} images'
        if self.side is not None and (height, width) != (self.side, self.side):
            raise ValueError(
                f"suite '{self.name}' is for {self.side}x{self.side} images and "
                f"{here}; choose 'imagenet-c', 'voc-c' or 'coco-c'."
            )
        if self.side is None and (height, width) == (32, 32):
            raise ValueError(
                f"{here}, whose numbers nobody must read as those of '{self.name}'; choose suite 'cifar-10-c', "
                "or 'imagenet-c-at-32' for ImageNet-C's constants."
            )


SUITES = {
    suite.name: suite
    for suite in (
        Suite('voc-c'),
        Suite('coco-c'),
        Suite('imagenet-c', published='folders'),
        Suite('cifar-10-c', side=32, family='cifar', published='arrays'),
        Suite('imagenet-c-at-32', side=32),
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


def expand(corruptions: str | Iterable[str]) -> tuple[str, ...]:
    """Corruption names for names and groups, each once, in the order of `ALL`.

    Raises:
        ValueError: an unknown name (the nearest one is given), or none at all.
    """
    asked = (corruptions,) if isinstance(corruptions, str) else tuple(corruptions)
    names = {name for one in asked for name in _SETS.get(one, (one,))}
    for name in asked:
        if name not in ALL and name not in _SETS:
            raise unknown('corruption', name, (*ALL, *_SETS))
    if not names:
        raise ValueError(f'no corruption was given; choose among {", ".join(ALL)}.')
    return tuple(name for name in ALL if name in names)


CLEAN = Cell('clean', 0)  # the uncorrupted pass is kept like every other cell
