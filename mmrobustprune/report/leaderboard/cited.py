"""Numbers of papers as cards, from a CSV file."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from .result_card import CITED, ResultCard

NEEDED = ('board', 'method', 'source', 'metric')
COSTS = ('params', 'macs', 'latency')


def read_cited(path: str | Path) -> list[ResultCard]:
    """A card for every row of a CSV file.

    Its columns are board, method, source (the paper and its table) and metric; params, macs and
    latency where they are known; all others are numbers, a cell may be empty.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: a column is not there, a cell is no number, or a row has none.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path} is not there; give a CSV file of numbers of a paper.')
    with open(path, newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise ValueError(f'{path} has no row below its heads; give a row for each result.')
    for column in NEEDED:
        if column not in rows[0]:
            raise ValueError(
                f"{path} has no column '{column}'; it needs {', '.join(NEEDED)} and numbers."
            )
    return [_card(path, line, row) for line, row in enumerate(rows, 2)]


def _card(path: Path, line: int, row: dict[str, str]) -> ResultCard:
    numbers = {}
    for column, text in row.items():
        if column not in NEEDED and text and text.strip():
            try:
                numbers[column] = float(text)
            except ValueError:
                raise ValueError(
                    f"{path}, line {line}: {column} is '{text}'; give a number, or leave it empty."
                ) from None
    cost = {key: numbers.pop(key) for key in COSTS if key in numbers}
    name = re.sub(r'[^a-z0-9]+', '-', f'{row["board"]}-{row["method"]}'.lower()).strip('-')
    return ResultCard(
        name=f'cited-{name}',
        board=row['board'],
        method=row['method'],
        status=CITED,
        metric=row['metric'],
        numbers=numbers,
        source=row['source'],
        cost=cost,
    )
