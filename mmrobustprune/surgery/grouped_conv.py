"""A convolution in which every group of filters reads input channels of its own choice."""
from __future__ import annotations

import torch
from torch import Tensor, nn


class GroupedKernelConv2d(nn.Conv2d):
    """y = unshuffle(conv(x[:, in_index], groups=n)): n dense blocks of a convolution, its other kernels left out.

    Args:
        conv: what it replaces, already with the small weight (O, K, kh, kw): block g holds filters g*O/n to (g+1)*O/n, and
            they read K channels. Its parameters are taken over, not copied.
        in_index: (n*K,) int64, channels of the input, block after block; a channel may be read by several blocks.
        out_index: (O,) int64, where each channel of the output stands among the filters; None leaves them in their order.

    Both indices are buffers: they are in the state_dict and move with the module.
    """

    def __init__(self, conv: nn.Conv2d, groups: int, in_index: Tensor, out_index: Tensor | None = None) -> None:
        super().__init__(
            len(in_index), conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation, groups,
            conv.bias is not None, conv.padding_mode, device='meta')   # no memory, no random numbers
        self.weight, self.bias = conv.weight, conv.bias
        self.inputs = conv.in_channels
        self.train(conv.training)
        device = conv.weight.device
        self.register_buffer('in_index', in_index.to(device, torch.int64))
        self.register_buffer('out_index', None if out_index is None else out_index.to(device, torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, O, H', W')."""
        y = super().forward(x.index_select(1, self.in_index))
        return y if self.out_index is None else y.index_select(1, self.out_index)

    @torch.no_grad()
    def dense(self) -> nn.Conv2d:
        """The plain convolution (O, inputs, kh, kw) that computes the same, with zeros for the kernels left out."""
        rows = self.out_channels // self.groups
        index = self.in_index.view(self.groups, 1, -1).expand(-1, rows, -1).flatten(0, 1)
        weight = self.weight.new_zeros(self.out_channels, self.inputs, *self.kernel_size)
        weight.scatter_(1, index[..., None, None].expand_as(self.weight), self.weight)
        bias = self.bias
        if self.out_index is not None:
            weight = weight[self.out_index]
            bias = None if bias is None else bias[self.out_index]
        conv = nn.Conv2d(self.inputs, self.out_channels, self.kernel_size, self.stride, self.padding, self.dilation,
                         bias=bias is not None, padding_mode=self.padding_mode, device='meta')
        conv.weight = nn.Parameter(weight, requires_grad=self.weight.requires_grad)
        conv.bias = None if bias is None else nn.Parameter(bias.detach().clone(), requires_grad=self.bias.requires_grad)
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
