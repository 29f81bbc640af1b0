"""Published MobileNetV2 weights under the names of mmdet."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_BLOCKS = (1, 2, 3, 4, 3, 3, 1)  # of layer1 to layer7
_PLAIN = {'0.0': 'depthwise_conv.conv', '0.1': 'depthwise_conv.bn'}
_PLAIN |= {'1': 'linear_conv.conv', '2': 'linear_conv.bn'}
_EXPANDED = {'0.0': 'expand_conv.conv', '0.1': 'expand_conv.bn'}
_EXPANDED |= {'1.0': 'depthwise_conv.conv', '1.1': 'depthwise_conv.bn'}
_EXPANDED |= {'2': 'linear_conv.conv', '3': 'linear_conv.bn'}


def mobilenet_v2_state(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of mmdet's MobileNetV2 backbone from torchvision's network.

    Args:
        published: weights named features.N..., as in `torchvision.models.mobilenet_v2`; the
            classifier is left out.
    Raises:
        ValueError: a name that this network does not have.
    """
    names = _prefixes()
    renamed = {}
    for name, value in published.items():
        if name.startswith('classifier.'):
            continue
        found = re.fullmatch(r'features\.(.+)\.(\w+)', name)
        if not found or found[1] not in names:
            raise ValueError(
                f"'{name}' is no weight of torchvision's mobilenet_v2; give its state dict."
            )
        renamed[f'{names[found[1]]}.{found[2]}'] = value
    return renamed


def _prefixes() -> dict[str, str]:
    """Layer of torchvision, without `features.` -> layer of mmdet."""
    names = {'0.0': 'conv1.conv', '0.1': 'conv1.bn', '18.0': 'conv2.conv', '18.1': 'conv2.bn'}
    number = 0
    for layer, blocks in enumerate(_BLOCKS, 1):
        for block in range(blocks):
            number += 1
            for theirs, ours in (_PLAIN if number == 1 else _EXPANDED).items():
                names[f'{number}.conv.{theirs}'] = f'layer{layer}.{block}.{ours}'
    return names
