"""The superscore of SR-GKP (NeurIPS 2023) as bars."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mmrobustprune.report.tables.superscore import Checkpoint, superscore, values

from .style import COLOURS, look, save


def superscore_bars(
    path: str | Path, checkpoints: Sequence[Checkpoint], select_on: str = 'test'
) -> Path:
    """Draw a group of bars per method, one bar per metric."""
    picks = values(superscore(checkpoints, select_on))
    metrics = list(next(iter(picks.values())))
    width = 0.8 / len(metrics)
    with look():
        figure = Figure(figsize=(max(6.2, 1.2 * len(picks)), 3.8))
        axes = figure.subplots()
        places = np.arange(len(picks))
        for number, metric in enumerate(metrics):
            bars = axes.bar(
                places + (number - (len(metrics) - 1) / 2) * width,
                [row[metric] for row in picks.values()],
                width * 0.92,
                color=COLOURS[number % len(COLOURS)],
                label=metric,
            )
            axes.bar_label(bars, fmt='%.1f', fontsize=7, padding=1)
        axes.set_xticks(places, list(picks))
        axes.grid(axis='x', visible=False)
        chosen = 'on the test set (oracle)' if select_on == 'test' else 'on held-out data'
        axes.set(
            ylabel='accuracy',
            title=f'Superscore, chosen {chosen}',
            xlabel="each bar is the best checkpoint's; bars of one method may be of different ones",
        )
        axes.legend(loc='upper center', bbox_to_anchor=(0.5, -0.17), ncols=len(metrics))
        return save(figure, path)
