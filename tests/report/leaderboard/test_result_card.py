"""Cards come back from their files, and wrong ones are refused in a sentence."""

import json
from pathlib import Path

import pytest

from mmrobustprune.report.leaderboard.result_card import (
    KEPT,
    NOT_KEPT,
    Evaluation,
    ResultCard,
    read_card,
    read_cards,
)

CARDS = Path(__file__).parents[3] / 'docs' / 'results' / 'cards'
CARD = ResultCard(
    name='a-seed0',
    board='A',
    method='a',
    status=KEPT,
    metric='accuracy/top1',
    numbers={'clean': 90.0},
    source='a.json',
    config='a.py',
    checkpoint='a.pth',
    weights='0f',
    evaluations=(Evaluation('attack', 'pixel', ('--attack', 'fgsm')),),
)


def test_a_card_comes_back(tmp_path):
    assert read_card(CARD.write(tmp_path)) == CARD
    assert read_cards(tmp_path) == [CARD]


@pytest.mark.parametrize(
    'changes, sentence',
    [
        (dict(status='good'), "has status 'good'; choose among checkpoint kept, recorded"),
        (dict(numbers={}), 'has no numbers; give at least one'),
        (dict(numbers={'clean': '90'}), "has '90' as clean; give a number"),
        (
            dict(weights=''),
            f"keeps its checkpoint and has no weights; add .*'{NOT_KEPT}'",
        ),
        (dict(method=None), 'has method=None; give str'),
        (dict(seed='0'), "has seed='0'; give int or NoneType"),
        (dict(metrik='x'), r"unknown field of card .* 'metrik' \(did you mean 'metric'\?\)"),
        (dict(name='other'), "holds the card 'other'; let file and name agree"),
        (dict(evaluations=[dict(tol='attack')]), "unknown field of evaluation .* 'tol'"),
    ],
)
def test_a_wrong_card_is_refused(tmp_path, changes, sentence):
    path = CARD.write(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match=sentence):
        read_card(path)


def test_what_is_no_card_is_refused(tmp_path):
    path = CARD.write(tmp_path)
    content = json.loads(path.read_text())
    content.pop('board')
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match='has no board; add it'):
        read_card(path)
    path.write_text('[]')
    with pytest.raises(ValueError, match='is no card; a card is a JSON object'):
        read_card(path)
    with pytest.raises(FileNotFoundError, match='is not there; give a card of docs/results/cards'):
        read_card(tmp_path / 'none.json')


def test_the_cards_of_the_repository_keep_to_the_schema():
    assert len(read_cards(CARDS)) >= 30
