"""What a structure record says of a convolution that became grouped."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.grouped_conv import GroupedKernelConv2d


@dataclass(frozen=True, eq=False)
class GroupedRecord:
    """One grouped convolution, in the numbers of the dense one.

    Attributes:
        kept: (n, K), input channels that each group reads.
        out_index: (O,), where each filter of the dense layer stands now: group by group.
        restored: whether the layer puts its outputs back in their old order; if not, its readers know the new one.
        arriving: (C,), the old numbers of the channels in the order in which they arrive; None for the old order.
    """

    kept: Tensor
    out_index: Tensor
    restored: bool
    arriving: Tensor | None = None

    @property
    def order(self) -> Tensor:
        """(O,), the dense layer's filters in the new order."""
        return self.out_index.argsort()

    @classmethod
    def read(cls, layer: str, record: dict) -> GroupedRecord:
        """Of the entry that `write` made; ValueError where it is not one."""
        filters, channels = record['shape'][:2]
        try:
            kept, out_index = (
                torch.tensor(record[key], dtype=torch.int64) for key in ('kept', 'out_index')
            )
            arriving = torch.tensor(record['in'], dtype=torch.int64) if 'in' in record else None
            restored = record['restored']
            fits = (
                kept.dim() == 2
                and kept.numel() > 0
                and 0 <= kept.min()
                and kept.max() < channels
                and record['groups'] == len(kept)
                and filters % len(kept) == 0
                and isinstance(restored, bool)
                and _is_order(out_index, filters)
                and (arriving is None or _is_order(arriving, channels))
            )
        except (KeyError, TypeError, ValueError):
            fits = False
        if not fits:
            raise ValueError(
                f"the structure's kept channels, orders and groups of '{layer}' do not fit its {filters} filters "
                f'of {channels} channels; give the record of this model.'
            )
        return cls(kept, out_index, restored, arriving)

    def write(self, shape: list[int]) -> dict:
        """The entry of a structure record, plain JSON types, for a dense weight of this shape."""
        record = dict(
            kind='conv',
            shape=list(shape),
            groups=len(self.kept),
            kept=self.kept.tolist(),
            out_index=self.out_index.tolist(),
            restored=self.restored,
        )
        return record if self.arriving is None else record | {'in': self.arriving.tolist()}

    def replace(self, conv: nn.Conv2d) -> GroupedKernelConv2d:
        """The grouped layer, from the dense one whose parameters are cut already."""
        index = self.kept if self.arriving is None else self.arriving.argsort()[self.kept]
        return GroupedKernelConv2d(
            conv, len(self.kept), index.flatten(), self.out_index if self.restored else None
        )

    def alive(self, channels: int) -> Tensor:
        """Which kernels (O, channels) of the dense weight stay, as a mask."""
        mask = torch.zeros(len(self.kept), channels, dtype=torch.bool).scatter_(1, self.kept, True)
        return mask.repeat_interleave(len(self.out_index) // len(self.kept), 0)[self.out_index]


def _is_order(index: Tensor, size: int) -> bool:
    return torch.equal(index.sort().values, torch.arange(size))
