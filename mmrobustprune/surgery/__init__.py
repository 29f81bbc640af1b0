"""Hard pruning: what shrinks together, the structure record, removal, and its certificate."""
from .grouped_conv import GroupedKernelConv2d
from .groups import Group, Slice, Trace
from .rebuild import rebuild
from .structure import Structure, load_structure, save_structure

__all__ = ['Group', 'GroupedKernelConv2d', 'Slice', 'Structure', 'Trace', 'certify', 'export_forms',
           'load_structure', 'prune_channels', 'prune_grouped_kernels', 'rebuild', 'remove_unread', 'save_structure',
           'trace']

_LATER = {'trace': 'tracing', 'prune_channels': 'channels', 'certify': 'verify',
          'prune_grouped_kernels': 'grouped', 'export_forms': 'grouped', 'remove_unread': 'unread'}


def __getattr__(name: str):
    # A pruned model is rebuilt without torch-pruning, so what needs it is imported on first use.
    if name not in _LATER:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from importlib import import_module
    return getattr(import_module(f'.{_LATER[name]}', __name__), name)
