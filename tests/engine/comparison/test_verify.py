"""A card is held against its checkpoint: other weights, other numbers, nothing to look at."""

from dataclasses import replace

import pytest
import torch

from mmrobustprune.engine.comparison.cards import digest
from mmrobustprune.engine.comparison.verify import verify_card
from mmrobustprune.records.files import write_json
from mmrobustprune.report.leaderboard.result_card import KEPT, NOT_KEPT, Evaluation, ResultCard


@pytest.fixture
def card(tmp_path):
    checkpoint = tmp_path / 'a.pth'
    torch.save(dict(state_dict=dict(w=torch.ones(2))), checkpoint)
    (tmp_path / 'a.py').touch()
    return ResultCard(
        name='a',
        board='A',
        method='a',
        status=KEPT,
        metric='accuracy/top1',
        numbers={'clean': 90.0, 'mPC': 50.0, 'a pgd 0.5': 40.0, 'rPC': 0.5, 'mask clean': 3.0},
        source='docs/a.json',
        config=str(tmp_path / 'a.py'),
        checkpoint=str(checkpoint),
        weights=digest(checkpoint),
        images=100,
        evaluations=(
            Evaluation('robustness', '', ('--suite', 'voc-c')),
            Evaluation('attack', 'a', ('--attack', 'pgd')),
        ),
    )


def answers(tool, config, checkpoint, *words):
    """Numbers as the tools would write them: mPC is far off, pgd by one of 50 images."""
    place = words[-1]
    if tool == 'robustness':
        write_json(place / 'results.json', dict(P=90.0, mPC=40.0, rPC=0.5, images=100))
    else:
        attack = dict(attack='pgd', eps=0.5, accuracy=0.42, subset=dict(size=50))
        write_json(place / 'attacks.json', dict(clean=0.8, attacks=[attack]))
    return tool


def test_every_number_is_compared(card, tmp_path):
    checks = {check.column: check for check in verify_card(card, tmp_path / 'w', answers)}
    assert [name for name, check in checks.items() if not check.holds] == ['mPC']
    assert checks['mPC'].text() == 'mPC: 50, again 40, differs by more than 2'
    assert checks['a pgd 0.5'].text() == 'a pgd 0.5: 40, again 42, holds'
    assert checks['mask clean'].text() == 'mask clean: 3, not evaluated again'


def test_the_tolerance_is_two_of_the_images_of_each_number(card, tmp_path):
    checks = {one.column: one.tolerance for one in verify_card(card, tmp_path / 'w', answers)}
    assert (checks['clean'], checks['a pgd 0.5'], checks['rPC']) == (2.0, 4.0, 0.02)


def test_a_number_that_no_evaluation_gives_does_not_hold(card, tmp_path):
    made_up = replace(card, numbers={'clean': 90.0, 'b pgd 0.5': 99.0})
    checks = verify_card(made_up, tmp_path / 'w', answers)
    assert [check.holds for check in checks] == [True, False]
    assert checks[1].text() == 'b pgd 0.5: 99, no evaluation of the card gives it'


def test_other_weights_are_refused(card, tmp_path):
    torch.save(dict(state_dict=dict(w=torch.zeros(2))), card.checkpoint)
    with pytest.raises(ValueError, match="holds other weights than those of card 'a'"):
        verify_card(card, tmp_path / 'w', answers)


def test_nothing_to_evaluate_is_said(card, tmp_path):
    lost = replace(card, status=NOT_KEPT, checkpoint='')
    with pytest.raises(ValueError, match='so nothing can be evaluated again; train it as docs/a'):
        verify_card(lost, tmp_path, answers)
    gone = replace(card, checkpoint=str(tmp_path / 'b.pth'))
    with pytest.raises(FileNotFoundError, match="b.pth of card 'a' is not there; call this from"):
        verify_card(gone, tmp_path, answers)
