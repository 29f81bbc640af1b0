"""Cards of records: what is known of them, and whether their checkpoint is kept."""

import pytest
import torch

from mmrobustprune.engine.comparison.cards import digest, make_cards
from mmrobustprune.engine.comparison.experiment import Arm, Experiment
from mmrobustprune.records.files import write_json
from mmrobustprune.report.leaderboard.result_card import KEPT, NOT_KEPT, Evaluation

ATTACK = dict(attack='pgd', eps=0.5, subset=dict(size=4))
RECORD = {
    'name': 'ours',
    'seed': 1,
    'metric': 'accuracy/top1',
    'clean': 90.0,
    'a pgd 0.5': 40.0,
    'images': 10,
    'params': 5,
    'epochs': 2,
    'attacks': dict(a=[ATTACK]),
    'commands': [
        'python tools/compare.py x.py',
        'python tools/train.py c.py --work-dir w --cfg-options a=1',
        'python tools/attack.py w/p.py w/p.pth --attack pgd --eps .5 --work-dir w/attacked-a',
        'python tools/attack.py m.py m.pth --attack pgd --work-dir w/mask-attacked-a',
    ],
}


@pytest.fixture
def experiment():
    return Experiment('x', 'The X', 'base.py', dict(ours=Arm('c.py')), 2, (1, 1))


def test_a_record_without_its_checkpoint(tmp_path, experiment):
    write_json(tmp_path / 'results' / 'x' / 'ours-seed1.json', RECORD)
    (card,) = make_cards(experiment, tmp_path / 'work', tmp_path / 'results')
    assert (card.name, card.board, card.status) == ('x-ours-seed1', 'The X', NOT_KEPT)
    assert card.numbers == {'clean': 90.0, 'a pgd 0.5': 40.0} and card.config == 'c.py'
    assert card.cost == dict(params=5) and card.training == dict(epochs=2)
    assert card.evaluations == (Evaluation('attack', 'a', ('--attack', 'pgd', '--eps', '.5')),)


def test_a_record_whose_checkpoint_is_in_the_work_dir(tmp_path, experiment):
    write_json(tmp_path / 'results' / 'x' / 'ours-seed1.json', RECORD)
    pruned = tmp_path / 'work' / 'x' / 'ours-seed1' / 'pruned.pth'
    pruned.parent.mkdir(parents=True)
    torch.save(dict(state_dict=dict(w=torch.ones(2)), meta={}), pruned)
    (card,) = make_cards(experiment, tmp_path / 'work', tmp_path / 'results')
    assert card.status == KEPT and card.weights == digest(pruned) and len(card.weights) == 32
    assert (card.config, card.checkpoint) == (str(pruned.with_name('pruned.py')), str(pruned))
