"""Which channels go together: groups of slices, read off a recorded forward pass.

`tracing` alone needs torch-pruning, so `trace` is imported from its own file."""

from . import norms as _norms  # noqa: F401  fills the table of families
from .grouped_conv import GroupedKernelConv2d
from .groups import Group, Slice, Trace
from .packed_attention import NarrowMultiheadAttention

__all__ = ['Group', 'GroupedKernelConv2d', 'NarrowMultiheadAttention', 'Slice', 'Trace']
