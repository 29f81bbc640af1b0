"""A value of every layer as bars."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path

from matplotlib.figure import Figure

from .style import dress, look, save, wrap


def layer_bars(
    path: str | Path,
    values: Mapping[str, Mapping[str, float]],
    whole: Mapping[str, float],
    xlabel: str,
) -> Path:
    """A value of every layer, top down in the network's order, a bar per name.

    The legend says the value of all layers together.

    Args:
        path: of the figure.
        values: name -> layer -> value.
        whole: name -> value.
        xlabel: of the values.
    """
    layers = list(dict.fromkeys(chain.from_iterable(values.values())))
    names = list(values)
    tall = 0.8 / len(names)
    dressed = dress(names)
    with look():
        figure = Figure(figsize=(6.4, 0.9 + len(layers) * max(0.2, 0.11 * len(names))))
        axes = figure.subplots()
        for number, (name, one) in enumerate(values.items()):
            shift = (number - (len(names) - 1) / 2) * tall
            places = [layers.index(layer) + shift for layer in one]
            axes.barh(
                places,
                one.values(),
                height=tall,
                color=dressed[name][0],
                linewidth=0,
                label=f'{wrap(name, 40)}: {whole[name]:.3g} of all',
            )
        axes.set_yticks(range(len(layers)), layers, fontsize=8)
        axes.set(xlabel=xlabel, ylim=(len(layers) - 0.4, -0.6), xlim=(0, None))
        axes.ticklabel_format(axis='x', scilimits=(-3, 5), useMathText=True)
        axes.grid(axis='y', visible=False)
        figure.legend(
            loc='lower left',
            bbox_to_anchor=(axes.get_position().x0, axes.get_position().y1),
            ncols=2,
        )
        return save(figure, path)
