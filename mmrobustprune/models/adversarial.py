"""Adversarial training of any mmpretrain classifier.

The attack is part of the data preprocessing of training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmpretrain.models import ImageClassifier
from torch import Tensor, nn

from mmrobustprune.attack import Classifier, RobustLoss, build_robust_loss
from mmrobustprune.registry import MODELS

from .pixels import Logits, Preprocessed


class Unrecorded(Logits):
    """`Logits` that pass by the model's own hooks.

    A step in two passes would take a call of the model for the training's.
    """

    def call(self, images: Tensor) -> Any:
        return self.model.forward(images, mode='tensor')


@MODELS.register_module()
class AdversarialClassifier(ImageClassifier):
    """An `ImageClassifier` that trains by a robust loss; all else, its state_dict too, is stock.

    `data_preprocessor(data, True)` attacks the batch, in pixels in [0, 1] whatever it normalises
    by, and adds `adversarial` (N, C, H, W) to what it gives. So a forward call that is repeated, as
    in the second pass of a sharpness step, has the same attacked images.

    Args:
        robust_loss: dict(type='TRADES' | 'PGDAT' | 'FastAT' | 'FreeAT' | 'MART' | 'CrossEntropy',
            ...), see `attack.losses`; it takes the place of the head's loss.
        kwargs: of ImageClassifier.
    Raises:
        ValueError: batch augmentations that mix images, a head with another loss than cross-entropy
            or with one output, images that are not from 0 to 255, images without exactly one
            label or with one that the head has not; in training, a loss that is not finite.
    """

    def __init__(
        self, *args: Any, robust_loss: Mapping[str, Any] | RobustLoss, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.robust_loss = build_robust_loss(robust_loss)
        refuse_mixing(self.data_preprocessor)
        refuse_other_loss(self.head)
        self.data_preprocessor.register_forward_hook(self._attack, with_kwargs=True)

    def forward(
        self,
        inputs: Tensor,
        data_samples: Sequence | None = None,
        mode: str = 'tensor',
        adversarial: Tensor | None = None,
    ) -> Any:
        """As ImageClassifier's.

        With mode='loss' `adversarial` is what the data_preprocessor gives in training.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples, adversarial)
        return super().forward(inputs, data_samples, mode)

    def loss(
        self, inputs: Tensor, data_samples: Sequence, adversarial: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The parts of the robust loss.

        Args:
            inputs: normalised images (N, C, H, W).
            data_samples: with one label each.
            adversarial: attacked pixels (N, C, H, W) in [0, 1].
        """
        attacked = None
        if adversarial is not None:
            attacked = Preprocessed(self.data_preprocessor)(adversarial)
        elif self.robust_loss.attacks:
            raise ValueError(
                f'{type(self.robust_loss).__name__} needs attacked images; get the batch by '
                'data_preprocessor(data, True), as train_step does.'
            )
        losses = self.robust_loss(Unrecorded(self), inputs, attacked, labels(data_samples))
        if not torch.stack(list(losses.values())).isfinite().all():
            parts = ', '.join(f'{name}={value.item():g}' for name, value in losses.items())
            raise ValueError(
                f'the training loss is not finite ({parts}) and no weight was changed by it; go on '
                'from the last checkpoint with a smaller learning rate or with gradient clipping.'
            )
        return losses

    def resume_state(self) -> dict[str, Any]:
        """What a resumed training needs beside weights and random numbers, plain."""
        return self.robust_loss.state()

    def load_resume_state(self, state: Mapping[str, Any]) -> None:
        """Take up what `resume_state` gave."""
        self.robust_loss.load_state(state)

    def _attack(
        self, preprocessor: nn.Module, args: tuple, kwargs: dict[str, Any], output: dict
    ) -> dict | None:
        training = args[1] if len(args) > 1 else kwargs.get('training', False)
        if not training:
            return None
        data = args[0] if args else kwargs['data']
        pixels = unit_pixels(data['inputs'], output['inputs'].device)
        model = Classifier(Unrecorded(self), Preprocessed(preprocessor))
        y = labels(output['data_samples'])
        refuse_unknown_labels(self.head, y)
        attacked = self.robust_loss.craft(model, pixels, y)
        return output if attacked is None else dict(output, adversarial=attacked)


def unit_pixels(inputs: Tensor | Sequence[Tensor], device: torch.device) -> Tensor:
    """Images of one size with values from 0 to 255, as floats (N, C, H, W) in [0, 1]."""
    if not isinstance(inputs, Tensor):
        sizes = {tuple(one.shape) for one in inputs}
        if len(sizes) > 1:
            raise ValueError(
                f'the train pipeline gives images of {" and ".join(map(str, sorted(sizes)))}; crop '
                'or resize them to one size.'
            )
        inputs = torch.stack(list(inputs))
    inputs = inputs.to(device)
    if inputs.dtype != torch.uint8 and not (0 <= inputs.min() and inputs.max() <= 255):
        raise ValueError(
            f'the train pipeline gives values from {inputs.min():g} to {inputs.max():g} and '
            'attacks need pixels from 0 to 255; leave normalising to the data_preprocessor.'
        )
    return inputs.float() / 255


def labels(samples: Sequence | None) -> Tensor:
    """(N,) labels of data samples with one each."""
    found = [getattr(sample, 'gt_label', None) for sample in samples or [None]]
    if any(label is None or label.numel() != 1 for label in found):
        raise ValueError(
            'a training image has no label or several; robust losses take exactly one.'
        )
    return torch.cat([label.reshape(1) for label in found]).long()


def refuse_mixing(preprocessor: nn.Module) -> None:
    """Raise ValueError for batch augmentations, whose images have no label of their own."""
    mixing = getattr(preprocessor, 'batch_augments', None)
    if mixing is not None:
        names = ' and '.join(type(one).__name__ for one in mixing.augments)
        raise ValueError(
            f'robust losses do not take batches whose images and labels are mixed ({names}); leave '
            'augments in train_cfg, or batch_augments, away.'
        )


def refuse_other_loss(head: nn.Module) -> None:
    """Raise ValueError unless the loss that is replaced is plain cross-entropy."""
    loss = getattr(head, 'loss_module', None)
    plain = (
        type(loss).__name__ == 'CrossEntropyLoss'
        and loss.loss_weight == 1
        and not (loss.use_sigmoid or loss.use_soft or loss.class_weight)
    )
    if not plain:
        raise ValueError(
            f'the head minimises {type(loss).__name__} with settings of its own and robust_loss '
            'takes its place with plain cross-entropy; write '
            "head=dict(loss=dict(type='CrossEntropyLoss', loss_weight=1.0)) if that is meant."
        )
    if getattr(head, 'num_classes', None) == 1:
        raise ValueError(
            'the head has one output and robust losses need one logit for each of at least two '
            'classes; write head=dict(num_classes=2) in place of one sigmoid.'
        )


def refuse_unknown_labels(head: nn.Module, y: Tensor) -> None:
    """Raise ValueError for labels (N,) that the head has no output for."""
    classes = getattr(head, 'num_classes', None)
    if classes is not None and not (0 <= y.min() and y.max() < classes):
        raise ValueError(
            f'the training labels are from {y.min()} to {y.max()} and the head has {classes} '
            f'classes, 0 to {classes - 1}; set its num_classes to that of the data set.'
        )
