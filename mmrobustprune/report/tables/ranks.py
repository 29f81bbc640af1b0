"""Methods ranked by every metric of every network, and the mean ranks (SR-GKP, NeurIPS 2023)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from mmrobustprune.naming import unknown

from .cards import Card, Column

Metrics = Mapping[str, float]  # metric -> value, higher is better
Scores = Mapping[str, Mapping[str, Metrics]]  # network -> method -> its metrics
MEAN = 'mean rank'


@dataclass(frozen=True)
class RankChart:
    """Ranks from 1, the best.

    Attributes:
        ranks: network -> method -> metric -> rank; values equal to six digits share the better.
        per_net: network -> method -> mean rank of its metrics.
        overall: method -> mean over the networks, best first.
        ties: sentences, one per shared rank.
        absent: method -> networks that it lacks, wholly or in a metric; it is ranked nowhere.
    """

    ranks: dict[str, dict[str, dict[str, int]]]
    per_net: dict[str, dict[str, float]]
    overall: dict[str, float]
    ties: tuple[str, ...]
    absent: dict[str, tuple[str, ...]]

    def card(self) -> Card:
        """Mean rank per network and, of several, overall; one row per method, best first."""
        nets = list(self.per_net) if len(self.per_net) > 1 else []
        rows = []
        for method, mean in self.overall.items():
            own = {net: self.per_net[net][method] for net in nets}
            rows.append({**own, 'name': method, MEAN: mean})
        return Card(rows, [Column(key, key, '.2f', 'low') for key in (*nets, MEAN)])


def competition_ranks(values: Mapping[str, float]) -> dict[str, int]:
    """1 + the number of greater values: 1, 2, 2, 4."""
    ascending = sorted(values.values())
    return {
        name: 1 + len(ascending) - bisect_right(ascending, value) for name, value in values.items()
    }


def rank_chart(scores: Scores, exclude: Collection[str] = ()) -> RankChart:
    """Rank the methods that every network has, in every metric.

    Args:
        scores: of every network.
        exclude: methods that are taken out before anything is ranked.
    Raises:
        ValueError: no network, networks of different metrics, an unknown method to exclude, or no
            method that all networks have.
    """
    if not scores:
        raise ValueError('a rank chart of no network was asked for; give at least one.')
    known = _union(scores.values())
    for method in exclude:
        if method not in known:
            raise unknown('method to exclude', method, known)
    scores = {net: _without(own, exclude) for net, own in scores.items()}
    metrics = _common_metrics(scores)
    absent: dict[str, tuple[str, ...]] = {}
    ranked = []
    for method in _union(scores.values()):
        lacking = [net for net in scores if set(scores[net].get(method, ())) != set(metrics)]
        if lacking:
            absent[method] = tuple(lacking)
        else:
            ranked.append(method)
    if not ranked:
        raise ValueError('no method has every metric of every network; leave a network away.')
    ranks: dict[str, dict[str, dict[str, int]]] = {}
    ties: list[str] = []
    for net, own in scores.items():
        ranks[net] = {method: {} for method in ranked}
        for metric in metrics:
            values = {method: _single(own[method][metric]) for method in ranked}
            places = competition_ranks(values)
            for method, place in places.items():
                ranks[net][method][metric] = place
            ties += [f'{net}, {metric}: {tie}' for tie in _ties(values, places)]
    per_net: dict[str, dict[str, float]] = {}
    for net, own in ranks.items():
        per_net[net] = {method: fmean(places.values()) for method, places in own.items()}
    means = {}
    for method in ranked:
        means[method] = fmean(own[method] for own in per_net.values())
    overall = dict(sorted(means.items(), key=lambda item: item[1]))
    return RankChart(ranks, per_net, overall, tuple(ties), absent)


def _single(value: float) -> float:
    """To six digits: the same accuracy was recorded in single and in double precision."""
    return float(f'{value:.6g}')


def _without(own: Mapping[str, Metrics], exclude: Collection[str]) -> dict[str, Metrics]:
    return {method: metrics for method, metrics in own.items() if method not in exclude}


def _union(mappings: Iterable[Mapping[str, object]]) -> list[str]:
    """All keys, each once, in order."""
    found: dict[str, None] = {}
    for mapping in mappings:
        found.update(dict.fromkeys(mapping))
    return list(found)


def _common_metrics(scores: Scores) -> list[str]:
    metrics = {net: _union(own.values()) for net, own in scores.items()}
    expected = next(iter(metrics.values()))
    for net, own in metrics.items():
        if set(own) != set(expected):
            raise ValueError(
                f'{net} has the metrics {", ".join(own)} and others have {", ".join(expected)}; '
                'give all the same.'
            )
    return expected


def _ties(values: Mapping[str, float], places: Mapping[str, int]) -> list[str]:
    """One sentence per rank that several methods share."""
    found = []
    for place in sorted(set(places.values())):
        equal = [method for method in places if places[method] == place]
        if len(equal) > 1:
            shared = f'share rank {place} at {values[equal[0]]:g}.'
            found.append(f'{" and ".join(equal)} {shared}')
    return found
