"""An mmpretrain classifier as a function of pixels in [0, 1]."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from mmrobustprune.attack import Classifier


class Preprocessed(nn.Module):
    """A data_preprocessor on pixels in [0, 1], with its own normalisation and channel order."""

    def __init__(self, preprocessor: nn.Module) -> None:
        super().__init__()
        self.preprocessor = preprocessor

    def forward(self, pixels: Tensor) -> Tensor:
        return self.preprocessor(dict(inputs=255 * pixels), training=False)['inputs']


class Logits(nn.Module):
    """What `mode='tensor'` gives for images that are normalised already: (N, classes)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        out = self.call(images)
        if not isinstance(out, Tensor) or out.ndim != 2:
            raise ValueError(
                f"{type(self.model).__name__} gives no logits (N, classes) with mode='tensor'; "
                'give a classifier of images with a linear head.'
            )
        return out

    def call(self, images: Tensor) -> Any:
        """What the model gives for them."""
        return self.model(images, mode='tensor')


def pixel_classifier(model: nn.Module) -> Classifier:
    """Logits of pixels in [0, 1], in the channel order of the data set's pipeline.

    Raises:
        ValueError: the model has no data_preprocessor (on the call: its outputs are no logits).
    """
    preprocessor = getattr(model, 'data_preprocessor', None)
    if preprocessor is None:
        raise ValueError(
            f'{type(model).__name__} has no data_preprocessor to normalise with; give an '
            'mmpretrain classifier.'
        )
    return Classifier(Logits(model), Preprocessed(preprocessor))
