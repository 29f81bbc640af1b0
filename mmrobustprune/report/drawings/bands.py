"""One image, its low and its high frequencies, and what networks take each of them for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from torch import Tensor

from mmrobustprune.report.figures.style import BAD, GOOD, look, save


@dataclass(frozen=True)
class Answer:
    """What a network took an image for, with the probability it gave, and whether it is right."""

    label: str
    probability: float
    right: bool

    @property
    def text(self) -> str:
        return f'{"✓" if self.right else "✗"} {self.label} ({self.probability:.0%})'


def draw_bands(
    path: str | Path,
    images: Mapping[str, Tensor],
    answers: Mapping[str, Mapping[str, Answer]],
) -> Path:
    """A strip of images, each with a line per network under it.

    Args:
        path: of the figure.
        images: title -> (3, H, W) of numbers; each is stretched to its own range where it leaves
            [0, 1].
        answers: network -> title of the image -> what it said.
    """
    with look():
        figure = Figure(
            figsize=(2.5 * len(images), 2.7 + 0.24 * len(answers)), layout='constrained'
        )
        panels = figure.subplots(1, len(images), squeeze=False)[0]
        for axes, (title, image) in zip(panels, images.items(), strict=True):
            axes.imshow(_shown(image).permute(1, 2, 0).numpy(), interpolation='nearest')
            axes.set(xticks=[], yticks=[])
            axes.set_title(title, fontsize=9.5)
            axes.grid(visible=False)
            for line, (network, said) in enumerate(answers.items()):
                answer = said[title]
                axes.text(
                    0,
                    -0.09 - 0.1 * line,
                    f'{network}: {answer.text}',
                    transform=axes.transAxes,
                    fontsize=8,
                    color=GOOD if answer.right else BAD,
                )
        return save(figure, path)


def _shown(image: Tensor) -> Tensor:
    """In [0, 1]."""
    image = image.detach().float().cpu()
    low = min(float(image.min()), 0.0)
    high = max(float(image.max()), 1.0)
    return (image - low) / (high - low)
