"""Tables for the terminal."""

from collections.abc import Iterable, Sequence


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]], title: str = '') -> None:
    """A table of text, its title above it."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    table = Table(*heads, box=SIMPLE, show_edge=False, title=title or None)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
