"""Boards by name, the best result of each on top."""

from mmrobustprune.report.leaderboard.page import leaderboard
from mmrobustprune.report.leaderboard.result_card import NOT_KEPT, ResultCard


def card(name, board='A', **numbers):
    return ResultCard(name, board, name, NOT_KEPT, 'accuracy/top1', numbers, 'x', cost=dict(macs=1))


def test_the_best_of_a_board_is_on_top():
    cards = [card('low', mPC=30.0, clean=90.0), card('high', mPC=40.0, clean=80.0)]
    text = leaderboard([card('other', 'Z', clean=0.5), *cards])
    rows = [line for line in text.splitlines() if line.startswith('| ')]
    assert rows[0] == '| method | seed | parameters | MACs | mPC | clean | status |'
    assert rows[2] == f'| high | - | - | 1 | 40.00 | 80.00 | {NOT_KEPT} |'
    assert rows[3].startswith('| low ') and rows[6] == f'| other | - | - | 1 | 0.500 | {NOT_KEPT} |'
    assert text.index('## A') < text.index('## Z')


def test_without_corruptions_the_first_attack_counts():
    text = leaderboard([card('a', clean=90.0, pgd=1.0), card('b', clean=80.0, pgd=2.0)])
    assert text.index('| b |') < text.index('| a |')
