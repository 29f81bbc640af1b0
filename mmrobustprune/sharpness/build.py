"""Rules from configuration dicts."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches

from .adasap import AdaSAP
from .rules import ASAM, AWP, SAM, Rule
from .score_space import S2AP, MaskedAWP

RULES: dict[str, type[Rule]] = dict(SAM=SAM, ASAM=ASAM, AdaSAP=AdaSAP, AWP=AWP, S2AP=S2AP, MaskedAWP=MaskedAWP)


def build_rule(config: Mapping | Rule | None, default: str = 'SAM') -> Rule | None:
    """The rule that `dict(type='AdaSAP', rho_max=2.0)` describes; a rule or None comes back as is.

    Args:
        config: `type` is the name or the class of a rule (absent: `default`), the rest its fields.

    Raises:
        TypeError: neither a dict, a rule nor None.
        ValueError: an unknown type or field (the nearest is named), or a value out of its range.
    """
    if config is None or isinstance(config, Rule):
        return config
    if not isinstance(config, Mapping):
        raise TypeError(
            f"rule={config!r} is no dict, rule or None; write rule=dict(type='SAM', rho=0.05).")
    values = {key: value for key, value in config.items() if key != '_scope_'}  # mmengine's mark
    kind = values.pop('type', default)
    kind = RULES.get(kind, kind) if isinstance(kind, str) else kind
    if not (isinstance(kind, type) and issubclass(kind, Rule)):
        raise ValueError(_unknown('rule type', kind, list(RULES)))
    allowed = [f.name for f in fields(kind) if f.init]
    for key in values:
        if key not in allowed:
            raise ValueError(_unknown(f'field of {kind.__name__}', key, allowed))
    return kind(**values)


def _unknown(what: str, given: object, allowed: list[str]) -> str:
    lower = {name.lower(): name for name in allowed}
    near = get_close_matches(str(given).lower(), lower, 1, 0.5)
    hint = f'; did you mean {lower[near[0]]!r}?' if near else '; choose one of these.'
    return f'{what} {given!r} is not one of {", ".join(allowed)}{hint}'
