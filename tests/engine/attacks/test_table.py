"""Attack results as rows: budgets as they were set and in pixel levels, notes and doubts."""

import pytest
from rich.console import Console

from mmrobustprune.engine.attacks.table import row, table, verdict

PGD = dict(
    attack='pgd',
    eps=0.031372549,
    space='pixel',
    eps_pixel=[8 / 255] * 3,
    reach_pixel=[8 / 255] * 3,
    steps=10,
    random_start=True,
    label='true',
    accuracy=0.4375,
    notes=[],
)


def results(*attacks, doubts=()):
    subset = dict(size=16, of=20)
    return dict(subset=subset, clean=0.75, attacks=list(attacks), doubts=list(doubts))


@pytest.mark.parametrize(
    'changes, cells',
    [
        ({}, ('pgd', '0.0314', 'pixel', '8', '10 random', 'true', '43.75%')),
        # three steps of a pixel level come no further than three
        (dict(reach_pixel=[3 / 255] * 3), ('pgd', '0.0314', 'pixel', '8 (3)', '10 random')),
        (dict(random_start=False, steps=None), ('pgd', '0.0314', 'pixel', '8', '1')),
        (
            dict(steps=None, version='custom', random_start=None),
            ('pgd', '0.0314', 'pixel', '8', 'custom'),
        ),
        (dict(eps_pixel=[4 / 255, 8 / 255, 6 / 255]), ('pgd', '0.0314', 'pixel', '6')),
    ],
)
def test_a_row_says_the_budget(changes, cells):
    assert row({**PGD, **changes})[: len(cells)] == cells


def test_steps_of_an_attack_have_lines_of_their_own():
    auto = {**PGD, 'attack': 'autoattack', 'breakdown': {'apgd-ce': 0.5, 'square': 0.4375}}
    console = Console(record=True, width=120)
    console.print(table(results(PGD, auto)))
    text = console.export_text()
    assert '16 of 20 test images' in text and '75.00%' in text
    assert 'after apgd-ce' in text and '50.00%' in text
    assert table(results(PGD, auto)).row_count == 5


def test_notes_and_doubts_are_a_line_each():
    noted = {**PGD, 'notes': ['one', 'two']}
    said = verdict(results(noted, PGD, doubts=['a step is longer than the radius']))
    assert said.splitlines() == [
        'pgd: one',
        'pgd: two',
        'Doubtful: a step is longer than the radius',
    ]
    assert verdict(results(PGD)) == ''
