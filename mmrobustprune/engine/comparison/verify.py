"""A card is checked by evaluating its checkpoint again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmrobustprune.engine.attacks.evaluate import evaluate_probes
from mmrobustprune.records.files import read_json
from mmrobustprune.report.leaderboard.result_card import KEPT, ResultCard

from .cards import digest
from .numbers import CLEAN_ALL, column_of, read_attacks
from .tools import Tools, call_tool

IMAGES = 2  # answers that may differ: another machine adds in another order
MASK = 'mask '  # begins the columns of a mask, whose checkpoint no card keeps

Again = dict[str, tuple[float, int]]  # column -> number, images that it is of


@dataclass(frozen=True)
class Check:
    """One number of a card: what it says and what came out.

    None was not evaluated again: of a mask that is so, any other number is made up.
    """

    column: str
    said: float
    found: float | None
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether both agree, as far as it can be evaluated."""
        if self.found is None:
            return self.column.startswith(MASK)
        return abs(self.said - self.found) <= self.tolerance

    def text(self) -> str:
        """One line."""
        if self.found is None:
            why = 'not evaluated again' if self.holds else 'no evaluation of the card gives it'
            return f'{self.column}: {self.said:g}, {why}'
        verdict = 'holds' if self.holds else f'differs by more than {self.tolerance:.3g}'
        return f'{self.column}: {self.said:g}, again {self.found:g}, {verdict}'


def verify_card(card: ResultCard, work_dir: Path, tools: Tools = call_tool) -> list[Check]:
    """Evaluate the checkpoint of a card as the card says, and compare every number.

    Args:
        card: with a checkpoint that is kept.
        work_dir: of the evaluations, which go on where they were stopped.
        tools: runs the tools.
    Raises:
        ValueError: the card keeps no checkpoint, or the file holds other weights.
        FileNotFoundError: config or checkpoint are not there.
    """
    if card.status != KEPT:
        raise ValueError(
            f"card '{card.name}' is '{card.status}', so nothing can be evaluated again; train it "
            f'as {card.source} says.'
        )
    for file in (card.config, card.checkpoint):
        if not Path(file).is_file():
            raise FileNotFoundError(
                f"{file} of card '{card.name}' is not there; call this from the root of the "
                'repository, or train it again.'
            )
    if digest(card.checkpoint) != card.weights:
        raise ValueError(
            f"{card.checkpoint} holds other weights than those of card '{card.name}'; give the "
            'file that the card was made of, or make the card again.'
        )
    found = _again(card, work_dir, tools)
    checks = []
    for column, said in card.numbers.items():
        number, images = found.get(column, (None, 1))
        per_image = IMAGES / images
        tolerance = per_image if column == 'rPC' or abs(said) <= 1 else 100 * per_image
        checks.append(Check(column, said, number, tolerance))
    return checks


def _again(card: ResultCard, work_dir: Path, tools: Tools) -> Again:
    found: Again = {}
    for number, one in enumerate(card.evaluations):
        place = work_dir / f'{one.tool}-{one.label or number}'
        tools(one.tool, card.config, card.checkpoint, *one.options, '--work-dir', place)
        if one.tool == 'robustness':
            results = read_json(place / 'results.json')
            named = dict(clean='P', mPC='mPC', rPC='rPC')
            found |= {column: (results[key], results['images']) for column, key in named.items()}
            continue
        for row in read_attacks(place):
            size = row['subset']['size']
            found[column_of(one.label, row)] = (100 * row['accuracy'], size)
            found.setdefault('clean', (100 * row['clean'], size))
    if CLEAN_ALL in card.numbers:
        whole = evaluate_probes(card.config, card.checkpoint, work_dir / 'clean', [])
        found[CLEAN_ALL] = (100 * whole['clean'], whole['subset']['size'])
    return found
