"""Records of an experiment that was edited in between are no table."""

import pytest

from mmrobustprune.engine.comparison.alike import refuse_unlike
from mmrobustprune.engine.comparison.experiment import Arm, Experiment
from mmrobustprune.engine.comparison.job import plan_of


def experiment(path, **options):
    path.write_text('lr = 0.1')
    return Experiment('x', '', str(path), dict(ours=Arm(str(path), options)), 1, (1, 1))


def record(seed=0, **changes):
    attack = dict(attack='pgd', eps=0.5, steps=10, subset=dict(size=100), accuracy=0.1 * seed)
    evaluated = dict(metric='top1', suite='voc-c', severities=[3], images=100)
    return dict(name='ours', seed=seed, attacks=dict(a=[attack]), **evaluated) | changes


def test_alike_is_alike(tmp_path):
    one = experiment(tmp_path / 'a.py')
    plan = plan_of(one, 'ours')
    refuse_unlike(one, [record(), record(1, plan=plan), record(2, attacks=None)])


@pytest.mark.parametrize(
    'changes, sentence',
    [
        (dict(images=50), 'ours-seed1 was evaluated with images 50 and ours-seed0 with 100'),
        (dict(severities=[1, 3]), r'with severities \[1, 3\] and ours-seed0 with \[3\]'),
        (
            dict(attacks=dict(a=[dict(attack='pgd', eps=0.5, steps=20)])),
            'with a pgd 0.5 steps 20 and ours-seed0 with 10; remove the record of one',
        ),
    ],
)
def test_another_evaluation_is_refused(tmp_path, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        refuse_unlike(experiment(tmp_path / 'a.py'), [record(), record(1, **changes)])


def test_a_method_that_was_edited_is_refused(tmp_path):
    made = record(plan=plan_of(experiment(tmp_path / 'a.py', lr=0.1), 'ours'))
    with pytest.raises(
        ValueError, match=r"made with options \['lr=0.1'\] and .* now has \['lr=0.2'"
    ):
        refuse_unlike(experiment(tmp_path / 'a.py', lr=0.2), [made])


def test_a_config_that_was_edited_is_refused(tmp_path):
    one = experiment(tmp_path / 'a.py')
    made = record(plan=plan_of(one, 'ours'))
    (tmp_path / 'a.py').write_text('# another word\nlr = 0.1')
    refuse_unlike(one, [made])
    (tmp_path / 'a.py').write_text('lr = 0.2')
    with pytest.raises(
        ValueError, match='made with config_content [0-9a-f]{16} and the experiment'
    ):
        refuse_unlike(one, [made])
