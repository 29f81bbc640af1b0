"""In which form the layers of a network with grouped kernels compute while it is trained."""

from __future__ import annotations

from torch import nn

from mmrobustprune.dependency.grouped_conv import GroupedKernelConv2d

FORMS = ('fastest', 'grouped', 'dense')

# Groups of fewer filters are faster written out on these devices
# (benchmarks/grouped_convolution.py, grouped_training.py). The rule measures nothing at run time,
# so that a resumed training computes as it did before.
SMALL = {'cpu': 16}


def set_form(model: nn.Module, form: str = 'fastest') -> nn.Module:
    """Let every grouped-kernel layer compute in that form from now on.

    Args:
        model: the network.
        form: 'grouped', 'dense' (the weight written out with zeros in every call), or 'fastest': by
            device and size of the groups. Outputs and gradients are the same but for rounding, the
            state_dict is the same.

    Returns:
        The model.

    Raises:
        ValueError: an unknown form.
    """
    check_form(form)
    for layer in model.modules():
        if isinstance(layer, GroupedKernelConv2d):
            layer.form = fastest(layer) if form == 'fastest' else form
    return model


def check_form(form: str) -> None:
    """ValueError for an unknown form."""
    if form not in FORMS:
        raise ValueError(f"form='{form}' is not known; give one of {', '.join(FORMS)}.")


def fastest(layer: GroupedKernelConv2d) -> str:
    """The form that is expected to train faster on the layer's device."""
    small = layer.out_channels // layer.groups < SMALL.get(layer.weight.device.type, 0)
    return 'dense' if small else 'grouped'
