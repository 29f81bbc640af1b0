"""Rules and ascents from configuration dicts."""

from __future__ import annotations

from collections.abc import Mapping

from mmrobustprune.naming import build

from .adasap import AdaSAP
from .ascents import Ascent, Fresh, Look, Momentum, Previous, Sampled, Shares
from .rules import ASAM, AWP, SAM, Rule
from .score_space import S2AP, MaskedAWP

RULES: dict[str, type[Rule]] = dict(
    SAM=SAM, ASAM=ASAM, AdaSAP=AdaSAP, AWP=AWP, S2AP=S2AP, MaskedAWP=MaskedAWP
)
ASCENTS: dict[str, type[Ascent]] = dict(
    fresh=Fresh,
    previous=Previous,
    momentum=Momentum,
    look=Look,
    sampled=Sampled,
    part=Shares,
)


def build_rule(config: Mapping | Rule | None, default: str = 'SAM') -> Rule | None:
    """The rule that `dict(type='AdaSAP', rho_max=2.0)` describes; a rule or None comes back as is.

    Args:
        config: `type` is the name or the class of a rule (absent: `default`), the rest its fields.

    Raises:
        TypeError: neither a dict, a rule nor None.
        ValueError: an unknown type or field (the nearest is named), or a value out of its range.
    """
    if config is None:
        return None
    example = "rule=dict(type='SAM', rho=0.05) or rule=None"
    return build(config, 'rule', Rule, RULES, example, default)


def build_ascent(config: str | Mapping | Ascent) -> Ascent:
    """The ascent that 'momentum' or `dict(type='momentum')` describes; an ascent comes back as is.

    Raises:
        TypeError: neither a name, a dict nor an ascent.
        ValueError: an unknown name or field (the nearest is named), or a value out of its range.
    """
    if isinstance(config, str):
        config = dict(type=config)
    return build(config, 'ascent', Ascent, ASCENTS, "ascent='momentum'")
