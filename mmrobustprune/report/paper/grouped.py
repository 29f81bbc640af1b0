"""What identifies a run of grouped-kernel pruning, from its recipe's fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmrobustprune.grouped_kernels import Beam, build_search


def grouped_facts(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The names of search and grouping, groups, layers, and a beam's alpha (None without one)."""
    search = build_search(chosen['search'])
    layers = chosen['layers']
    return dict(
        search=_name(chosen['search']),
        grouping=_name(chosen['grouping']),
        groups=chosen['groups'],
        layers=layers if isinstance(layers, str) else ', '.join(layers),
        alpha=search.alpha if isinstance(search, Beam) else None,
    )


def _name(way: str | Mapping[str, Any]) -> str:
    return way if isinstance(way, str) else way['type']
