"""ImageNet's training images in two parts: one to learn from, one to choose by."""

from __future__ import annotations

from typing import Any

from mmpretrain.datasets import ImageNet

from mmrobustprune.registry import DATASETS


@DATASETS.register_module()
class ImageNetPart(ImageNet):
    """`ImageNet` without every n-th image, or those alone: each class has its share of both.

    Args:
        every: n, at least 2.
        held: the images held out, or all the others.
        **kwargs: of `mmpretrain.ImageNet`.

    Raises:
        ValueError: an n that leaves nothing on one side.
    """

    def __init__(self, every: int = 100, held: bool = False, **kwargs: Any) -> None:
        if not isinstance(every, int) or every < 2:
            raise ValueError(
                f'every={every!r} is no whole number >= 2; with 100 one image in a hundred is held '
                'out.'
            )
        self.every = every
        self.held = held
        super().__init__(**kwargs)

    def load_data_list(self) -> list[dict]:
        images = super().load_data_list()
        return [
            image
            for place, image in enumerate(images)
            if (place % self.every == self.every - 1) == self.held
        ]
