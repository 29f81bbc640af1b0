"""What to know of each method before its numbers are compared, as SR-GKP's Table 10 asks."""

from __future__ import annotations

from collections.abc import Mapping

from rich.box import SIMPLE
from rich.table import Table

from mmrobustprune.recipes import Facts

from .cards import markdown_table

TITLES = dict(
    unit='removes',
    procedure='procedure',
    result='result',
    final='final size from epoch',
    data='data to choose',
    cost='extra cost',
    setup='special',
    paper='paper',
)


def methods_table(methods: Mapping[str, Facts], title: str) -> Table:
    """A row per method, for the terminal."""
    table = Table(title=title, title_justify='left', box=SIMPLE, show_edge=False, padding=(0, 1))
    for head in ('method', *TITLES.values()):
        table.add_column(head, overflow='fold')
    for name, facts in methods.items():
        table.add_row(name, *_cells(facts))
    return table


def methods_markdown(methods: Mapping[str, Facts]) -> str:
    """The same as a GitHub table."""
    heads = ['method', *TITLES.values()]
    rows = [[f'`{name}`', *_cells(facts)] for name, facts in methods.items()]
    return markdown_table([heads, ['---'] * len(heads), *rows])


def _cells(facts: Facts) -> list[str]:
    return [getattr(facts, name) or '-' for name in TITLES]
