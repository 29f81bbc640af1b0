"""A convolution in which every group of filters reads input channels of its own choice."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


class GroupedKernelConv2d(nn.Conv2d):
    """y = unshuffle(conv(x[:, in_index], groups=n)): dense blocks, other kernels left out.

    Args:
        conv: what it replaces, already with the small weight (O, K, kh, kw): block g holds filters
            g*O/n to (g+1)*O/n, and they read K channels. Its parameters are taken over, not
            copied.
        in_index: (n*K,) int64, channels of the input, block after block; a channel may be read by
            several blocks.
        out_index: (O,) int64, where each channel of the output stands among the filters; None
            leaves them in their order.

    Both indices are buffers: they are in the state_dict and move with the module.

    Attributes:
        form: 'grouped', or 'dense': the same numbers but for rounding, forward and backward, by a
            plain convolution whose weight is written out with zeros in every call. It needs no
            gathers and is the faster one where grouped convolutions are slow; parameters and
            state_dict stay as they are.
    """

    form = 'grouped'

    def __init__(
        self, conv: nn.Conv2d, groups: int, in_index: Tensor, out_index: Tensor | None = None
    ) -> None:
        super().__init__(
            len(in_index),
            conv.out_channels,
            conv.kernel_size,
            conv.stride,
            conv.padding,
            conv.dilation,
            groups,
            conv.bias is not None,
            conv.padding_mode,
            device='meta',  # no memory, no random numbers
        )
        self.weight = conv.weight
        self.bias = conv.bias
        self.inputs = conv.in_channels
        self.train(conv.training)
        device = conv.weight.device
        self.register_buffer('in_index', in_index.to(device, torch.int64))
        if out_index is not None:
            out_index = out_index.to(device, torch.int64)
        self.register_buffer('out_index', out_index)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, O, H', W')."""
        return self._dense(x) if self.form == 'dense' else self._grouped(x)

    def _grouped(self, x: Tensor) -> Tensor:
        y = super().forward(x.index_select(1, self.in_index))
        return y if self.out_index is None else y.index_select(1, self.out_index)

    def _dense(self, x: Tensor) -> Tensor:
        if self.padding_mode != 'zeros':
            x = F.pad(x, self._reversed_padding_repeated_twice, mode=self.padding_mode)
        padding = self.padding if self.padding_mode == 'zeros' else 0
        return F.conv2d(x, *self.written_out(), self.stride, padding, self.dilation)

    def written_out(self) -> tuple[Tensor, Tensor | None]:
        """Weight (O, inputs, kh, kw) and bias (O,) of the plain convolution that is the same."""
        rows = self.out_channels // self.groups
        index = self.in_index.view(self.groups, 1, -1).expand(-1, rows, -1).flatten(0, 1)
        empty = self.weight.new_zeros(self.out_channels, self.inputs, *self.kernel_size)
        weight = empty.scatter(1, index[..., None, None].expand_as(self.weight), self.weight)
        if self.out_index is None:
            return weight, self.bias
        bias = None if self.bias is None else self.bias[self.out_index]
        return weight[self.out_index], bias

    @torch.no_grad()
    def dense(self) -> nn.Conv2d:
        """The plain convolution, a layer of its own, that computes the same."""
        weight, bias = self.written_out()
        conv = nn.Conv2d(
            self.inputs,
            self.out_channels,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            bias=bias is not None,
            padding_mode=self.padding_mode,
            device='meta',
        )
        conv.weight = nn.Parameter(weight, requires_grad=self.weight.requires_grad)
        if bias is not None:
            conv.bias = nn.Parameter(bias.clone(), requires_grad=self.bias.requires_grad)
        return conv.train(self.training)

    def extra_repr(self) -> str:
        order = '' if self.out_index is None else ', unshuffled'
        return f'{self.inputs} -> {super().extra_repr()}{order}'


def swap(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put a layer in another's place, wherever the model holds it."""
    for module in model.modules():
        for name, child in module._modules.items():
            if child is old:
                module._modules[name] = new
