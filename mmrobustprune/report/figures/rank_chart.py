"""Rank chart: methods ranked by every metric of every network, and the means (as SR-GKP, NeurIPS 2023, compares methods)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from matplotlib.figure import Figure

from mmrobustprune.report.tables.cards import Card, Column

from .style import COLOURS, INK, MARKS, look, save

Scores = Mapping[
    str, Mapping[str, Mapping[str, float]]
]  # network -> method -> metric -> value, higher is better


@dataclass(frozen=True)
class RankChart:
    """Ranks from 1, the best.

    Attributes:
        ranks: network -> method -> metric -> rank; methods with equal values share the better rank.
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
        """Mean rank per network and overall, one row per method, best first."""
        nets = list(self.per_net)
        rows = [
            dict({net: self.per_net[net][method] for net in nets}, name=method, overall=mean)
            for method, mean in self.overall.items()
        ]
        return Card(rows, [Column(key, key, '.2f', 'low') for key in (*nets, 'overall')])


def competition_ranks(values: Mapping[str, float]) -> dict[str, int]:
    """1 + the number of greater values: 1, 2, 2, 4."""
    return {
        name: 1 + sum(other > value for other in values.values()) for name, value in values.items()
    }


def rank_chart(scores: Scores) -> RankChart:
    """Rank the methods that every network has, in every metric.

    Raises:
        ValueError: no network, networks of different metrics, or no method that all of them have.
    """
    if not scores:
        raise ValueError('a rank chart of no network was asked for; give at least one.')
    methods = list(dict.fromkeys(method for net in scores.values() for method in net))
    metrics = {
        net: list(dict.fromkeys(metric for values in of.values() for metric in values))
        for net, of in scores.items()
    }
    expected = next(iter(metrics.values()))
    for net, own in metrics.items():
        if set(own) != set(expected):
            raise ValueError(
                f'{net} has the metrics {", ".join(own)} and others have {", ".join(expected)}; give all the same.'
            )
    absent = {
        method: tuple(net for net in scores if set(scores[net].get(method, ())) != set(expected))
        for method in methods
    }
    absent = {method: nets for method, nets in absent.items() if nets}
    ranked = [method for method in methods if method not in absent]
    if not ranked:
        raise ValueError('no method has every metric of every network; leave a network away.')
    ranks: dict[str, dict[str, dict[str, int]]] = {}
    ties: list[str] = []
    for net, of in scores.items():
        ranks[net] = {method: {} for method in ranked}
        for metric in expected:
            values = {method: of[method][metric] for method in ranked}
            places = competition_ranks(values)
            for method, place in places.items():
                ranks[net][method][metric] = place
            for place in sorted(set(places.values())):
                equal = [method for method in ranked if places[method] == place]
                if len(equal) > 1:
                    ties.append(
                        f'{net}, {metric}: {" and ".join(equal)} share rank {place} at {values[equal[0]]:g}.'
                    )
    per_net = {
        net: {method: fmean(own.values()) for method, own in of.items()}
        for net, of in ranks.items()
    }
    overall = {method: fmean(of[method] for of in per_net.values()) for method in ranked}
    return RankChart(
        ranks, per_net, dict(sorted(overall.items(), key=lambda item: item[1])), tuple(ties), absent
    )


def draw_rank_chart(path: str | Path, chart: RankChart) -> Path:
    """Draw a row per method, best on top: a mark per network, the overall mean as a line."""
    with look():
        figure = Figure(figsize=(6.6, 0.34 * len(chart.overall) + 1.5))
        axes = figure.subplots()
        rows = {method: row for row, method in enumerate(chart.overall)}
        for (net, means), colour, mark in zip(
            chart.per_net.items(), COLOURS * 9, MARKS * 9, strict=False
        ):
            axes.scatter(
                [means[method] for method in rows],
                list(rows.values()),
                s=46,
                color=colour,
                marker=mark,
                edgecolor='white',
                linewidth=0.7,
                zorder=3,
                label=net,
            )
        for method, row in rows.items():
            axes.plot(
                [chart.overall[method]] * 2,
                [row - 0.32, row + 0.32],
                color=INK,
                linewidth=2.2,
                zorder=2,
            )
        axes.set_yticks(list(rows.values()), list(rows))
        axes.set(
            ylim=(len(rows) - 0.4, -0.6),
            xlim=(0.9, None),
            title='Ranks',
            xlabel='mean rank of the metrics (1 is best; bar: mean of networks)',
        )
        axes.grid(axis='y', visible=False)
        axes.legend(loc='upper left', bbox_to_anchor=(1.01, 1))
        return save(figure, path)
