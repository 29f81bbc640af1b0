"""A method whose config asks for another budget is refused before it is trained."""

import pytest

from mmrobustprune.engine.comparison.experiment import Arm, Budget, Experiment
from mmrobustprune.engine.comparison.fair import refuse_other_budget, refuse_unequal, removed


def experiment(arm, budget):
    return Experiment('x', '', 'b', dict(ours=arm), 1, (1, 1), budget=budget)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'half.py'
    path.write_text("robust_prune = dict(recipe='magnitude', target=0.5)")
    return str(path)


def test_another_target_is_refused(config):
    refuse_other_budget(experiment(Arm(config), Budget('params', 0.505)), 'ours')
    wrong = experiment(Arm(config, {'robust_prune.target': 0.52}), Budget('params', 0.5))
    with pytest.raises(ValueError, match="'ours' removes 0.52 of the params .* 0.5; give it opt"):
        refuse_other_budget(wrong, 'ours')
    refuse_other_budget(wrong, 'dense')
    other = experiment(Arm(config, {'robust_prune.budget': 'macs'}), Budget('params', 0.2))
    refuse_other_budget(other, 'ours')  # what comes out is measured


def test_what_was_removed():
    record = dict(name='ours', params=25, dense_cost=dict(params=100), removed=0.9)
    assert removed(record, Budget('params', 0.5)) == 0.75
    assert removed(record, Budget('weights', 0.5)) == 0.9
    assert removed(record, Budget('macs', 0.5)) is None
    times = {'predicted ms': 1.0, 'dense ms, predicted': 4.0}
    assert removed(times, Budget('latency', 0.5)) == 0.75


def test_a_dense_network_has_no_budget(config):
    dense = dict(name='dense', seed=0, params=100, dense_cost=dict(params=100), epochs=None)
    refuse_unequal(experiment(Arm(config), Budget('params', 0.5)), [dense])
