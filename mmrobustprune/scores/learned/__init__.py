"""Learned scores: what to keep is found by gradients that pass straight through the mask."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from ..naming import unknown
from .harp import HARP, RatedNetwork
from .host import HYDRA, Host
from .maskfile import load_masks, save_masks
from .network import ScoredNetwork, keep_only, kept_masks, make_plain
from .parametrizations import Kept, Scored
from .rlth import RLTH
from .straight import straight_through
from .topk import kept_count, top_mask

HOSTS: dict[str, type[Host]] = dict(HYDRA=HYDRA, HARP=HARP, RLTH=RLTH)

__all__ = ['HARP', 'HOSTS', 'HYDRA', 'Host', 'Kept', 'RLTH', 'RatedNetwork', 'Scored', 'ScoredNetwork', 'build_host',
           'keep_only', 'kept_count', 'kept_masks', 'load_masks', 'make_plain', 'save_masks', 'straight_through', 'top_mask']


def build_host(config: Mapping | Host) -> Host:
    """The host that `dict(type='HYDRA', target=0.9)` describes; a host comes back as it is.

    Args:
        config: `type` is the name or the class of a host, the rest its fields.

    Raises:
        TypeError: neither a dict nor a host.
        ValueError: an unknown type or field (the nearest is named), no target, or a value out of its range.
    """
    if isinstance(config, Host):
        return config
    if not isinstance(config, Mapping):
        raise TypeError(f"host={config!r} is no dict and no host; write host=dict(type='HYDRA', target=0.9).")
    values = {key: value for key, value in config.items() if key != '_scope_'}   # mmengine's mark
    kind = values.pop('type', None)
    kind = HOSTS.get(kind, kind) if isinstance(kind, str) else kind
    if not (isinstance(kind, type) and issubclass(kind, Host)):
        raise unknown('host', kind, HOSTS)
    allowed = [field.name for field in fields(kind) if field.init]
    for key in values:
        if key not in allowed:
            raise unknown(f'field of host {kind.__name__}', key, allowed)
    if 'target' not in values:
        raise ValueError(f'host {kind.__name__} lacks its target; give the fraction of weights to remove, such as target=0.9.')
    return kind(**values)
