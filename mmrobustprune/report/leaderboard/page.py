"""The leaderboard: a table for each board, its best on top."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, groupby

from mmrobustprune.report.tables.cards import markdown_table

from .result_card import ResultCard

HEAD = """# Leaderboard

One row for each card in `docs/results/cards`, best on top: by mPC, or else by the first attack.
`python tools/compare.py cards configs/comparisons/*.py` makes the cards of what is recorded,
`python tools/compare.py verify CARD` evaluates a checkpoint again and compares, and
`python docs/generate.py` writes this page. Numbers of different boards may not be compared.
"""
COSTS = {'params': 'parameters', 'macs': 'MACs'}


def leaderboard(cards: Sequence[ResultCard]) -> str:
    """The page of all cards."""
    ordered = sorted(cards, key=lambda card: card.board)
    parts = [HEAD]
    for board, own in groupby(ordered, key=lambda card: card.board):
        parts += [f'## {board}\n', _table(list(own))]
    return '\n'.join(parts)


def _table(cards: list[ResultCard]) -> str:
    columns = list(dict.fromkeys(chain.from_iterable(card.numbers for card in cards)))
    counts = 'mPC' if 'mPC' in columns else columns[:2][-1]
    cards.sort(key=lambda card: (-card.numbers.get(counts, float('-inf')), card.name))
    head = ['method', 'seed', *COSTS.values(), *columns, 'status']
    rule = ['---', '---:', *('---:' for _ in (*COSTS, *columns)), '---']
    return markdown_table([head, rule, *(_row(card, columns) for card in cards)])


def _row(card: ResultCard, columns: Sequence[str]) -> list[str]:
    costs = [card.cost.get(key) for key in COSTS]
    numbers = [card.numbers.get(column) for column in columns]
    percent = any(number is not None and abs(number) > 1 for number in numbers)
    return [
        card.method,
        '-' if card.seed is None else str(card.seed),
        *('-' if cost is None else f'{cost:,.0f}' for cost in costs),
        *(_number(column, value, percent) for column, value in zip(columns, numbers, strict=True)),
        card.status,
    ]


def _number(column: str, value: float | None, percent: bool) -> str:
    if value is None:
        return '-'
    return f'{value:.3f}' if column == 'rPC' or not percent else f'{value:.2f}'
