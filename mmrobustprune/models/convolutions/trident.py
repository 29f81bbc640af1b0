"""TridentNet's convolution: one weight, several dilations (arXiv:1901.01892)."""

from __future__ import annotations

from mmdet.models.backbones.trident_resnet import TridentConv
from torch import Tensor, nn

from mmrobustprune.dependency.kinds import BRANCHED, KINDS
from mmrobustprune.dependency.parts import InParts, LayerPart, register_parts


class Branch(LayerPart, nn.Conv2d):
    """One dilation.

    Args:
        whole: the convolution that it is of.
        number: which of its dilations it is.
    """

    def __init__(self, whole: TridentConv, number: int):
        super().__init__(
            whole.in_channels,
            whole.out_channels,
            whole.kernel_size,
            whole.stride,
            whole.paddings[number],
            whole.dilations[number],
            device='meta',
        )
        self.whole = (whole,)
        self.weight = whole.weight
        self.bias = whole.bias


class TridentConvInParts(InParts):
    """The branches that run in a test: all, or the one that is chosen."""

    def parts(self) -> dict[str, nn.Module]:
        """Each branch by its number."""
        every = range(self.num_branch) if self.test_branch_idx == -1 else [self.test_branch_idx]
        return {f'branch{number}': Branch(self, number) for number in every}

    def forward(self, inputs: list[Tensor]) -> list[Tensor]:
        """An image (N, C, H, W) for each branch."""
        branches = [one for one in self.children() if isinstance(one, Branch)]
        return [branch(image) for branch, image in zip(branches, inputs, strict=True)]


KINDS[TridentConv] = BRANCHED
register_parts(TridentConv, TridentConvInParts)
