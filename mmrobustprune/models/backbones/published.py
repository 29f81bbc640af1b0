"""Published weights of whole classifiers under the names of mmpretrain's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch
from mmpretrain.models.backbones import ResNet
from torch import Tensor, nn

from .cifar_resnet import CIFARResNet, rename
from .cifar_vgg import CIFARVGG

State = Mapping[str, Tensor]


def published_state(published: State, model: nn.Module) -> dict[str, Tensor]:
    """The state dict of an mmpretrain classifier from weights that were published elsewhere.

    CIFARResNet: names as in `classifier_state`, or layerK.i.conv1 and linear, whose shortcuts put
    half of the new channels before the old ones (channels are reordered, so that all new ones stand
    behind). CIFARVGG: features.N in the order of the layers, one linear layer behind them. ResNet:
    torchvision's names.

    Args:
        published: weights, with or without `module.` before their names.
        model: an ImageClassifier with a backbone of these.
    Raises:
        ValueError: another backbone, or a name or shape that this network does not have.
    """
    backbone = model.backbone
    families = [family for family in FAMILIES if isinstance(backbone, family)]
    if not families:
        kinds = ', '.join(family.__name__ for family in FAMILIES)
        raise ValueError(
            f'no published weights are known for a {type(backbone).__name__}; give a config with '
            f'one of {kinds}.'
        )
    plain = {name.removeprefix('module.'): value for name, value in published.items()}
    found = FAMILIES[families[0]](plain, backbone)
    expected = model.state_dict()
    for name, value in expected.items():
        # older files lack the counters, and weights that learn nothing are not weights there
        if name.endswith(('num_batches_tracked', 'shortcut.weight')):
            found.setdefault(name, value)
    _refuse_others(found, expected, type(backbone).__name__)
    return {name: found[name] for name in expected}


def _refuse_others(found: State, expected: State, network: str) -> None:
    for name in [*found, *expected]:
        here = tuple(found[name].shape) if name in found else 'not there'
        there = tuple(expected[name].shape) if name in expected else 'not there'
        if here != there:
            raise ValueError(
                f"the weights do not fit {network} at '{name}' (in the file {here}, in the network "
                f'{there}); give weights of the same depth, classes and kind of shortcuts.'
            )


def _thin_resnet(published: State, backbone: CIFARResNet) -> dict[str, Tensor]:
    state = rename(published)
    if not any(name.startswith('linear.') for name in published):
        return state
    orders = _zeros_behind(state)
    for name, value in state.items():
        parts = name.split('.')
        if parts[0] == 'head':
            state[name] = value[:, orders[3]] if value.ndim == 2 else value
        elif parts[1].startswith('layer'):
            state[name] = _reordered(value, parts, orders)
    return state


def _zeros_behind(state: State) -> dict[int, Tensor]:
    """Stage -> its channels in an order in which those that a shortcut makes come last."""
    width = len(state['backbone.conv1.weight'])
    order = torch.arange(width)
    orders = {0: order, 1: order}
    for stage in (2, 3):
        width *= 2
        old = order + width // 4  # a quarter of the zeros stand before the channels that go on
        new = torch.arange(width)
        order = torch.cat([old, new[~torch.isin(new, old)]])
        orders[stage] = order
    return orders


def _reordered(value: Tensor, parts: list[str], orders: Mapping[int, Tensor]) -> Tensor:
    """A tensor of a block, its channels of the residual stream in the stage's order."""
    stage = int(parts[1][-1])
    if value.ndim == 0 or parts[3] == 'bn1':
        return value
    if parts[3] == 'conv1':
        return value[:, orders[stage if int(parts[2]) else stage - 1]]
    return value[orders[stage]]


def _sequential_vgg(published: State, backbone: CIFARVGG) -> dict[str, Tensor]:
    layers = [name for name, layer in backbone.named_modules() if not [*layer.children()]]
    state = {}
    for name, value in published.items():
        found = re.fullmatch(r'features\.(\d+)\.(\w+)', name)
        if found and int(found[1]) < len(layers):
            name = f'backbone.{layers[int(found[1])]}.{found[2]}'
        state[re.sub(r'^(classifier|fc|linear)\.(0\.)?', 'head.fc.', name)] = value
    return state


def _torchvision_resnet(published: State, backbone: ResNet) -> dict[str, Tensor]:
    return {
        re.sub('^backbone.fc', 'head.fc', f'backbone.{name}'): value
        for name, value in published.items()
    }


FAMILIES: dict[type, Callable[[State, nn.Module], dict[str, Tensor]]] = {
    CIFARResNet: _thin_resnet,
    CIFARVGG: _sequential_vgg,
    ResNet: _torchvision_resnet,
}
