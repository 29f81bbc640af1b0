"""What makes a comparison unfair: runs of one block that differ in what should be equal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .layout import Row, Table
from .observe import Observation

CLOSE = 0.01  # of the greatest value: budgets are met to within this


def unequal(
    table: Table, rows: Sequence[Row], runs: Mapping[int, Iterable[Observation]]
) -> tuple[str, ...]:
    """A sentence for every block and every number of `table.alike` that its runs do not share.

    Args:
        table: says which numbers have to be equal.
        rows: its rows; those without a block are compared with none.
        runs: number of a row -> the runs that stand in it.
    """
    blocks: dict[str, dict[str, Observation]] = {}
    for at, row in enumerate(rows):
        if row.block:
            blocks.setdefault(row.block, {}).update({run.label: run for run in runs.get(at, ())})
    said = []
    for block, members in blocks.items():
        for key in table.alike:
            values = {
                label: run.numbers[key].value
                for label, run in members.items()
                if key in run.numbers
            }
            if values and max(values.values()) - min(values.values()) > CLOSE * max(
                values.values()
            ):
                each = ', '.join(f'{label} {value:,.6g}' for label, value in values.items())
                said.append(f'Not a fair comparison, {block} differs in {key}: {each}.')
    return tuple(said)
