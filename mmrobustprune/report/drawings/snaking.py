"""How snaking deals out filters, and how even that makes the groups."""

from __future__ import annotations

from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from mmrobustprune.report.figures.style import COLOURS, INK, look, save


def draw_snaking(path: str | Path, roughness: Tensor, labels: Tensor) -> Path:
    """Left the path from filter to filter over rounds and groups, right the groups' sums.

    Args:
        path: of the figure.
        roughness: (O,), of each filter.
        labels: (O,), its group.
    """
    groups = int(labels.max()) + 1
    order = roughness.argsort(stable=True)
    rounds = torch.arange(len(order)) // groups
    columns = labels[order].tolist()
    colours = [COLOURS[group % len(COLOURS)] for group in range(groups)]
    with look():
        figure = Figure(figsize=(8.2, 3.2), layout='constrained')
        dealt, sums = figure.subplots(1, 2, width_ratios=(3, 2))
        dealt.plot(columns, rounds.tolist(), color=INK, linewidth=1, alpha=0.5, zorder=1)
        largest = float(roughness.max())
        for place, (column, row) in enumerate(zip(columns, rounds.tolist(), strict=True)):
            number = int(order[place])
            size = 150 + 320 * float(roughness[number]) / largest  # a number fits in
            dealt.scatter(column, row, s=size, color=colours[column], zorder=2)
            dealt.text(
                column, row, str(number), ha='center', va='center', fontsize=7, color='white'
            )
        dealt.set(
            xticks=range(groups),
            yticks=range(int(rounds.max()) + 1),
            xlabel='group',
            ylabel='round',
            title='Filters, from the smoothest on (area: roughness)',
        )
        dealt.margins(x=0.1, y=0.25)
        dealt.invert_yaxis()
        totals = torch.zeros(groups).index_add_(0, labels, roughness.float()).tolist()
        bars = sums.bar(range(groups), totals, color=colours)
        sums.bar_label(bars, fmt='%.1f', fontsize=7.5, padding=2)
        sums.set(xticks=range(groups), xlabel='group', title='Roughness of each group')
        sums.grid(axis='x', visible=False)
        return save(figure, path)
