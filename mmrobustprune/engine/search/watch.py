"""What goes wrong in a search without a word: scores that explode, filters that die."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmrobustprune.mask_search import ScoredNetwork
from mmrobustprune.mask_search.topk import filter_dim

GROWN = 10.0  # times the norm at the start


class SearchWatch:
    """Says once of each layer that its scores have grown tenfold, or that filters of it are dead.

    A filter is dead where its mask keeps no weight of it. The BatchNorm behind it has no variance
    to divide by, so that the gradient of its scores is amplified beyond that of all other layers.

    Args:
        search: the network, at the start of its search.
    """

    def __init__(self, search: ScoredNetwork) -> None:
        self.first = score_norms(search)
        self.said: dict[str, list[str]] = dict(grown=[], dead=[])

    def look(self, search: ScoredNetwork) -> list[str]:
        """A sentence for each layer of which it has not been said yet."""
        lines = []
        for name, norm in score_norms(search).items():
            times = norm / self.first[name] if self.first[name] else 0.0
            if times >= GROWN and self._new('grown', name):
                lines.append(
                    f"the scores of '{name}' have grown {times:.0f} times since the search began, "
                    'so that the steps of all other layers hardly count; lower the learning rate '
                    f"of the search, or put '{name}' into robust_prune.ignore."
                )
        for name, dead in dead_filters(search).items():
            if dead and self._new('dead', name):
                filters = _filters(search, name)
                lines.append(
                    f"{dead} of {filters} filters of '{name}' have no weight left, and a norm "
                    'behind a dead filter amplifies its gradient; '
                    'robust_prune.host=dict(keep_filters=True, ...) keeps one weight of each, or '
                    f"put '{name}' into robust_prune.ignore."
                )
        return lines

    def state_dict(self) -> dict[str, Any]:
        """Norms at the start, and of which layers it was said; plain types."""
        return dict(first=self.first, said=self.said)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.first = dict(state['first'])
        self.said = {kind: list(names) for kind, names in state['said'].items()}

    def _new(self, kind: str, name: str) -> bool:
        if name in self.said[kind]:
            return False
        self.said[kind].append(name)
        return True


def score_norms(search: ScoredNetwork) -> dict[str, float]:
    """{layer: L2 norm of its scores}."""
    return {name: float(layer.scores.detach().norm()) for name, layer in search.layers.items()}


def dead_filters(search: ScoredNetwork) -> dict[str, int]:
    """{layer: how many of its filters keep no weight}."""
    found = {}
    for name, mask in search.masks().items():
        dim = filter_dim(search.model.get_submodule(name))
        found[name] = int((~mask.movedim(dim, 0).flatten(1).any(1)).sum())
    return found


def _filters(search: ScoredNetwork, name: str) -> int:
    layer = search.model.get_submodule(name)
    return layer.weight.shape[filter_dim(layer)]
