"""Mean ranks of methods as marks, as SR-GKP (NeurIPS 2023) compares methods."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from mmrobustprune.report.tables.ranks import RankChart

from .style import COLOURS, INK, MARKS, look, save


def draw_rank_chart(path: str | Path, chart: RankChart) -> Path:
    """Draw a row per method, best on top: a mark per network, of several their mean as a line."""
    several = len(chart.per_net) > 1
    with look():
        figure = Figure(figsize=(6.6, 0.34 * len(chart.overall) + 1.5))
        axes = figure.subplots()
        rows = {method: row for row, method in enumerate(chart.overall)}
        for number, (net, means) in enumerate(chart.per_net.items()):
            axes.scatter(
                [means[method] for method in rows],
                list(rows.values()),
                s=46,
                color=COLOURS[number % len(COLOURS)],
                marker=MARKS[number % len(MARKS)],
                edgecolor='white',
                linewidth=0.7,
                zorder=3,
                label=net,
            )
        for method, row in rows.items() if several else ():
            mean = chart.overall[method]
            axes.plot([mean, mean], [row - 0.32, row + 0.32], color=INK, linewidth=2.2, zorder=2)
        axes.set_yticks(list(rows.values()), list(rows))
        axes.set(
            ylim=(len(rows) - 0.4, -0.6),
            xlim=(0.9, None),
            title='Ranks',
            xlabel=f'mean rank of the metrics (1 is best{"; bar: mean of networks" * several})',
        )
        axes.grid(axis='y', visible=False)
        if several:
            axes.legend(loc='upper left', bbox_to_anchor=(1.01, 1))
        return save(figure, path)
