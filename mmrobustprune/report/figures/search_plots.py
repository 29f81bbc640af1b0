"""Panels of a search for a mask, as S2AP's figures 1 to 17 show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import fmean

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .search_series import Runs, Series, group, series
from .style import BAD, GOOD, INK, PALE, QUIET, dress, look, save, wrap

AXIS = {
    'lambda_max': r'$\lambda_{\max}$',
    'attacked': 'accuracy under attack',
    'clean': 'clean accuracy',
    'hamming_first': 'distance to the first mask',
    'hamming_previous': 'distance to the mask before',
    'displacement_first': 'displacement of the scores',
    'removed': 'fraction removed',
    'residual': 'residual',
    'value': 'rise of the loss',
    'flipped': 'changed mask entries',
}
Dressed = Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Panel:
    """One plot: what it shows, whose colours it uses, and how it is drawn onto axes."""

    title: str
    names: tuple[str, ...]
    draw: Callable[[Axes, Dressed], None]


def curves(title: str, runs: Runs, key: str, warmup: int = 0) -> Panel:
    """Values over epochs, a line per run; repeats are a mean and a band of their range.

    Args:
        title: of the panel.
        runs: name -> records.
        key: of the records, e.g. 'lambda_max' or 'hamming_first'.
        warmup: epochs that are shaded, before sharpness counts.
    """
    found = series(runs, key)

    def draw(axes: Axes, dressed: Dressed) -> None:
        _lines(axes, dressed, found, 4)
        _epochs(axes, AXIS.get(key, key), warmup)
        low, high = axes.get_ylim()
        if low < 0 < high:
            axes.axhline(0, color=QUIET, linewidth=1, zorder=1)

    return Panel(title, tuple(found), draw)


def signed(
    title: str, runs: Runs, original: str, ours: str, key: str = 'hamming_first', warmup: int = 0
) -> Panel:
    """Stability gained, h_original - h_ours: green above zero, where ours moved less, red below.

    Raises:
        ValueError: a name that is not among the runs, or no common epoch.
    """
    found = series(runs, key)
    for name in (original, ours):
        if name not in found:
            raise ValueError(f"'{name}' is none of the runs; choose two of {', '.join(found)}.")
    epochs = sorted({*found[original].epochs} & {*found[ours].epochs})
    if not epochs:
        raise ValueError(
            f"'{original}' and '{ours}' have no epoch in common; measure both at the same epochs."
        )
    values = np.subtract(found[original].at(epochs), found[ours].at(epochs))

    def draw(axes: Axes, dressed: Dressed) -> None:
        for colour, where in ((GOOD, values >= 0), (BAD, values <= 0)):
            axes.fill_between(
                epochs,
                0,
                values,
                where=where,
                interpolate=True,
                color=colour,
                alpha=0.3,
                linewidth=0,
            )
        axes.plot(epochs, values, color=INK, linewidth=1.4, marker='o', markersize=3)
        axes.axhline(0, color=QUIET, linewidth=1)
        _epochs(axes, 'stability gained', warmup)
        axes.annotate(
            f'mean {values.mean():+.2g}'.replace('-', '\u2212'),
            (1, 1),
            xycoords='axes fraction',
            ha='right',
            va='bottom',
            color=QUIET,
            fontsize=8.5,
        )

    return Panel(title, (), draw)


def rises(
    title: str, runs: Mapping[str, Sequence[Mapping[str, float]]], key: str = 'value'
) -> Panel:
    """Loss difference against rho, a line per run; 'flipped' as key gives the changed mask entries.

    Args:
        runs: name -> records with 'rho' and the key.
    """
    along: dict[str, list[dict]] = {}
    for name, records in runs.items():
        along[name] = [dict(one, epoch=one['rho']) for one in records]
    found = series(along, key)

    def draw(axes: Axes, dressed: Dressed) -> None:
        _lines(axes, dressed, found, 4.5)
        axes.set(xlabel=r'radius $\rho$', ylabel=AXIS.get(key, key), ylim=(0, None), xlim=(0, None))

    return Panel(title, tuple(found), draw)


def rise_bars(
    title: str, groups: Mapping[str, Mapping[str, float]], ylabel: str = AXIS['value']
) -> Panel:
    """Bars side by side in groups, e.g. per sparsity the loss difference of every method.

    Args:
        groups: name of the group -> method -> value.
    """
    names = tuple(dict.fromkeys(chain.from_iterable(groups.values())))

    def draw(axes: Axes, dressed: Dressed) -> None:
        wide = 0.8 / len(names)
        for number, name in enumerate(names):
            shift = (number - (len(names) - 1) / 2) * wide
            places = []
            there = []
            for place, values in enumerate(groups.values()):
                if name in values:
                    places.append(place + shift)
                    there.append(values[name])
            colour = dressed[name][0]
            bars = axes.bar(places, there, 0.92 * wide, color=colour, alpha=0.9, label=name)
            texts = [f'{value:#.3g}' for value in there]
            axes.bar_label(bars, texts, fontsize=7, color=INK, padding=1)
        axes.set_xticks(range(len(groups)), groups)
        axes.set(ylabel=ylabel)
        axes.grid(axis='x', visible=False)
        axes.margins(y=0.12)

    return Panel(title, names, draw)


def gammas(
    title: str,
    sweep: Mapping[str, Mapping[float, float | Sequence[float]]],
    ylabel: str = AXIS['attacked'],
) -> Panel:
    """A value against gamma, a line per network, the best gamma of each ringed.

    Repeats are a mean and a bar of their range.

    Args:
        title: of the panel.
        sweep: name -> gamma > 0 -> a value, or the values of several seeds.
        ylabel: of the value.
    """
    places = sorted(set(chain.from_iterable(sweep.values())))

    def draw(axes: Axes, dressed: Dressed) -> None:
        for name, values in sweep.items():
            rows = [np.atleast_1d(values[gamma]) for gamma in sorted(values)]
            at = [places.index(gamma) for gamma in sorted(values)]
            means = np.array([fmean(row) for row in rows])
            below = means - [row.min() for row in rows]
            above = [row.max() for row in rows] - means
            colour, mark = dressed[name]
            axes.errorbar(
                at,
                means,
                [below, above] if any(len(row) > 1 for row in rows) else None,
                color=colour,
                marker=mark,
                markersize=4.5,
                capsize=3,
                label=name,
            )
            best = int(means.argmax())
            axes.scatter(
                at[best],
                means[best],
                s=120,
                facecolor='none',
                edgecolor=colour,
                linewidth=1.4,
                zorder=4,
            )
        axes.set_xticks(range(len(places)), [f'{gamma:g}' for gamma in places])
        axes.set(xlabel=r'$\gamma$', ylabel=ylabel)
        axes.margins(y=0.12)

    return Panel(title, tuple(sweep), draw)


def preview(path: str | Path, runs: Runs, original: str, ours: str, warmup: int = 0) -> Path:
    """Three panels on a search with and without sharpness: robustness, stability, curvature."""
    repeats = group(runs)
    chosen = [*repeats.get(original, ()), *repeats.get(ours, ())]
    both = {name: runs[name] for name in chosen}
    return draw_panels(
        path,
        [
            curves('Robust accuracy', both, 'attacked', warmup),
            signed('Stability', both, original, ours, warmup=warmup),
            curves('Largest curvature', both, 'lambda_max', warmup),
        ],
        columns=3,
    )


def draw_panels(
    path: str | Path, panels: Sequence[Panel], columns: int = 4, title: str = ''
) -> Path:
    """Draw panels in a grid under one legend; a name has one colour in all of them.

    Raises:
        ValueError: no panel.
    """
    if not panels:
        raise ValueError('a figure of no panels was asked for; give at least one.')
    columns = min(columns, len(panels))
    lines = -(-len(panels) // columns)
    wide, tall = {1: (5.8, 3.6), 2: (4.4, 3.1)}.get(columns, (3.7, 2.8))
    dressed = dress(chain.from_iterable(panel.names for panel in panels))
    with look():
        figure = Figure(figsize=(columns * wide, lines * tall), layout='constrained')
        places = figure.subplots(lines, columns, squeeze=False).flat
        for axes, panel in zip(places, panels, strict=False):
            panel.draw(axes, dressed)
            axes.set_title(wrap(panel.title, int(wide * 8)))
        for axes in places[len(panels) :]:
            axes.set_axis_off()
        handles = {}
        for axes in places:
            drawn, names = axes.get_legend_handles_labels()
            handles.update(zip(names, drawn, strict=True))
        if handles:
            figure.legend(
                handles.values(),
                [wrap(name, 40) for name in handles],
                loc='outside lower center',
                ncols=min(len(handles), max(2, int(columns * wide / 2.4))),
            )
        if title:
            figure.suptitle(title, x=0.01, ha='left', color=QUIET, fontsize=10)
        return save(figure, path)


def _lines(axes: Axes, dressed: Dressed, found: Mapping[str, Series], size: float) -> None:
    """A line per run with marks of the given size; repeats get a band of their range."""
    for name, one in found.items():
        colour, mark = dressed[name]
        if one.repeats > 1:
            axes.fill_between(one.epochs, one.low, one.high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(one.epochs, one.mean, color=colour, marker=mark, markersize=size, label=name)


def _epochs(axes: Axes, ylabel: str, warmup: int) -> None:
    """Whole epochs along, the warm-up shaded and named."""
    axes.set(xlabel='epoch of the search', ylabel=ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.ticklabel_format(axis='y', scilimits=(-3, 5), useMathText=True)
    if warmup:
        left, right = axes.get_xlim()
        axes.axvspan(left, warmup, color=PALE, alpha=0.35, linewidth=0, zorder=0)
        axes.set_xlim(left, right)
        high = _are_high(axes, left, warmup)  # the word goes where the curves are not
        axes.text(
            left,
            0.03 if high else 0.97,
            ' warm-up',
            transform=axes.get_xaxis_transform(),
            va='bottom' if high else 'top',
            color=QUIET,
            fontsize=8,
        )


def _are_high(axes: Axes, left: float, right: float) -> bool:
    """Whether most points of the curves between two places along are in the upper half."""
    to_axes = axes.transData + axes.transAxes.inverted()
    heights = []
    for line in axes.lines:
        if line.get_transform() != axes.transData:
            continue
        points = line.get_xydata()
        inside = points[(points[:, 0] > left) & (points[:, 0] <= right)]
        heights += list(to_axes.transform(inside)[:, 1]) if len(inside) else []
    return sum(height > 0.5 for height in heights) > len(heights) / 2
