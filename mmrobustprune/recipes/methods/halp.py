"""HALP: the units of most saliency within a latency."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from mmrobustprune.recipes.facts import Facts
from mmrobustprune.recipes.gradual import AdaSAPLatencyRecipe


@dataclass(frozen=True)
class HALP(AdaSAPLatencyRecipe):
    """HALP (Shen et al., NeurIPS 2022): a knapsack of units by saliency and measured latency.

    It is AdaSAP's latency recipe under plain training, with one linearised step a round: what a
    unit costs is what its own layers lose at the widths of today. Rounds begin with the training.
    """

    method: ClassVar[str] = 'HALP'
    facts: ClassVar[Facts] = replace(
        AdaSAPLatencyRecipe.facts, paper='Shen et al., NeurIPS 2022', cost='minutes of timing'
    )

    rule: dict | None = None
    finetune_rule: dict | None = None
    solver: str = 'linearised'
    min_keep: float = 0.0
    warmup: float | str = 0
