"""Switchable atrous convolution: one standardised weight, two dilations (arXiv:2006.02334)."""

from __future__ import annotations

from mmcv.cnn.bricks.conv_ws import ConvAWS2d
from mmcv.ops.deform_conv import deform_conv2d
from mmcv.ops.saconv import SAConv2d
from torch import Tensor, nn
from torch.nn import functional

from mmrobustprune.dependency.kinds import CONV, FAMILIES, Kind
from mmrobustprune.dependency.parts import InParts, LayerPart, register_parts

WIDE = 3  # times the dilation of the other one
WEIGHTS = ('weight', 'weight_diff')


class Atrous(LayerPart, nn.Conv2d):
    """The convolution of one dilation, deformed where offsets are given.

    Args:
        whole: the convolution that it is of.
        times: of its dilation.
    """

    def __init__(self, whole: SAConv2d, times: int):
        super().__init__(
            whole.in_channels,
            whole.out_channels,
            whole.kernel_size,
            whole.stride,
            tuple(times * one for one in whole.padding),
            tuple(times * one for one in whole.dilation),
            whole.groups,
            bias=False,
            device='meta',
        )
        self.whole = (whole,)
        self.weight = whole.weight
        self.weight_diff = whole.weight_diff if times > 1 else None

    def forward(self, x: Tensor, offset: Tensor | None = None) -> Tensor:
        """(N, C, H, W), and where there are offsets (N, 2 * positions of the kernel, H', W')."""
        weight = ConvAWS2d._get_weight(self.whole[0], self.weight)
        if self.weight_diff is not None:
            weight = weight + self.weight_diff
        where = (self.stride, self.padding, self.dilation, self.groups)
        if offset is None:
            return functional.conv2d(x, weight, None, *where)
        return deform_conv2d(x, offset, weight, *where, 1)


class SAConvInParts(InParts):
    """The two dilations, between which a switch chooses at every position."""

    def parts(self) -> dict[str, nn.Module]:
        """Both dilations."""
        return dict(near=Atrous(self, 1), far=Atrous(self, WIDE))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, O, H', W')."""
        x = _with_context(x, self.pre_context)
        mean = functional.pad(x, (2, 2, 2, 2), mode='reflect')
        mean = functional.avg_pool2d(mean, kernel_size=5, stride=1)
        switch = self.switch(mean)
        near = self.near(x, self.offset_s(mean) if self.use_deform else None)
        far = self.far(x, self.offset_l(mean) if self.use_deform else None)
        return _with_context(switch * near + (1 - switch) * far, self.post_context)


def _with_context(x: Tensor, layer: nn.Module) -> Tensor:
    return x + layer(functional.adaptive_avg_pool2d(x, 1)).expand_as(x)


def switchable(layer: SAConv2d) -> Kind | None:
    """The family of the convolution with its layers inside; None where there are groups."""
    if layer.groups > 1:
        return None
    out = dict.fromkeys((*WEIGHTS, 'bias', 'weight_gamma', 'weight_beta'), 0)
    inside = dict.fromkeys(('switch', 'offset_s', 'offset_l'), ('in',))
    return Kind(
        'conv_sac',
        {'out': out, 'in': dict.fromkeys(WEIGHTS, 1)},
        CONV.widths,
        aware=True,
        inside=inside | {'pre_context': ('in', 'out')},
    )


def atrous(layer: Atrous) -> Kind | None:
    """The family of one of its dilations."""
    if layer.groups > 1:
        return None
    dims = dict(out=dict.fromkeys(WEIGHTS, 0)) | {'in': dict.fromkeys(WEIGHTS, 1)}
    return Kind('atrous', dims, CONV.widths)


FAMILIES[SAConv2d] = switchable
FAMILIES[Atrous] = atrous
register_parts(SAConv2d, SAConvInParts)
