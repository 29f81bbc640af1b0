"""Hard pruning: removal of channels, its certificate, and the public names of what is below."""

from collections.abc import Callable
from importlib import import_module

from mmrobustprune.dependency.grouped_conv import GroupedKernelConv2d
from mmrobustprune.dependency.groups import Group, Slice, Trace
from mmrobustprune.grouped_kernels import export_forms, prune_grouped_kernels
from mmrobustprune.structure import Structure, load_structure, rebuild, save_structure

from .recalibrate import recalibrate
from .verify import certify

__all__ = [
    'Group',
    'GroupedKernelConv2d',
    'Slice',
    'Structure',
    'Trace',
    'certify',
    'export_forms',
    'load_structure',
    'prune_channels',
    'prune_grouped_kernels',
    'rebuild',
    'recalibrate',
    'remove_unread',
    'save_structure',
    'trace',
]

# What reaches torch-pruning is imported on first use: a pruned network is rebuilt without it.
_TRACING = {
    'trace': 'mmrobustprune.surgery.followed',
    'prune_channels': 'mmrobustprune.surgery.channels',
    'remove_unread': 'mmrobustprune.surgery.unread',
}


def __getattr__(name: str) -> Callable:
    """A function of `_TRACING`."""
    if name not in _TRACING:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(_TRACING[name]), name)
