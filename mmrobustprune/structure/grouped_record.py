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
        restored: whether the layer puts its outputs back in their old order; if not, its readers
            know the new one.
        arriving: (C,), the old numbers of the channels in the order in which they arrive; None for
            the old order.
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
        """Of the entry that `write` made.

        Raises:
            ValueError: it is no such entry, or does not fit the layer's dense shape.
        """
        filters, channels = record['shape'][:2]
        try:
            arriving = torch.tensor(record['in'], dtype=torch.int64) if 'in' in record else None
            found = cls(
                torch.tensor(record['kept'], dtype=torch.int64),
                torch.tensor(record['out_index'], dtype=torch.int64),
                record['restored'],
                arriving,
            )
            if found._fits(record['groups'], filters, channels):
                return found
        except (KeyError, TypeError, ValueError):
            pass
        raise ValueError(
            f"the structure's kept channels, orders and groups of '{layer}' do not fit its "
            f'{filters} filters of {channels} channels; give the record of this model.'
        )

    def _fits(self, groups: int, filters: int, channels: int) -> bool:
        kept = self.kept
        inside = kept.dim() == 2 and kept.numel() > 0 and 0 <= kept.min() and kept.max() < channels
        return (
            inside
            and groups == len(kept)
            and filters % groups == 0
            and isinstance(self.restored, bool)
            and _is_order(self.out_index, filters)
            and (self.arriving is None or _is_order(self.arriving, channels))
        )

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
        """The grouped layer, from the dense one whose parameters are sliced already."""
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
