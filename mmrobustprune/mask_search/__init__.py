"""Learned scores: what to keep is found by gradients that pass straight through the mask."""

from __future__ import annotations

from collections.abc import Mapping

from mmrobustprune.naming import build

from .budgets import flops_ratio
from .harp import HARP, RatedNetwork
from .host import HYDRA, Host
from .maskfile import load_masks, save_masks
from .network import ScoredNetwork, keep_only, kept_masks, make_plain
from .parametrizations import Kept, Scored, straight_through
from .rlth import RLTH
from .topk import kept_count, top_mask

HOSTS: dict[str, type[Host]] = dict(HYDRA=HYDRA, HARP=HARP, RLTH=RLTH)

__all__ = [
    'HARP',
    'HOSTS',
    'HYDRA',
    'Host',
    'Kept',
    'RLTH',
    'RatedNetwork',
    'Scored',
    'ScoredNetwork',
    'build_host',
    'flops_ratio',
    'keep_only',
    'kept_count',
    'kept_masks',
    'load_masks',
    'make_plain',
    'save_masks',
    'straight_through',
    'top_mask',
]


def build_host(config: Mapping | Host) -> Host:
    """The host that `dict(type='HYDRA', target=0.9)` describes; a host comes back as it is.

    Args:
        config: `type` is the name or the class of a host, the rest its fields.

    Raises:
        TypeError: neither a dict nor a host.
        ValueError: an unknown type or field (the nearest is named), no target, or a value out of
            its range.
    """
    return build(config, 'host', Host, HOSTS, "host=dict(type='HYDRA', target=0.9)")
