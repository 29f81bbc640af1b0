"""Classifiers that their tensor forward does not trace, and the function named instead."""

import torch
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS


@MODELS.register_module(force=True)
class Numbered(ImageClassifier):
    """Its tensor forward gives classes, as integers: nothing that autograd follows."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'tensor':
            return logits(self, dict(inputs=inputs)).argmax(1)
        return super().forward(inputs, data_samples, mode)


@MODELS.register_module(force=True)
class LossOnly(ImageClassifier):
    """It has no tensor forward: nothing can be asked of the model itself."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'tensor':
            raise NotImplementedError('this model has no tensor forward')
        return super().forward(inputs, data_samples, mode)


def logits(model, example):
    features = model.extract_feat(example['inputs'])
    return torch.relu(model.head.fc(model.head.pre_logits(features)))
