"""Methods of other papers under a latency: killed in every phase, certified, on two processes."""

import json
from pathlib import Path

import pytest
import torch

pytest.importorskip('mmengine')
from mmengine.config import Config
from mmengine.registry import RUNNERS
from torch.nn import Conv2d

from mmrobustprune.latency import Timing, measure
from mmrobustprune.recipes.methods import METHODS
from tests.support.pair import PATIENCE, ends, equal, train_pair
from tests.support.small import small, trained_weights

CONFIGS = Path(__file__).parents[3] / 'configs' / 'methods'
ASKED = dict(  # what fits each method into 24 iterations, and the iterations it is killed after
    halp=(dict(rounds=3, interval=4), (2, 4, 9, 15)),
    smcp=(dict(soft='12 iters', every='4 iters'), (2, 4, 9, 12, 15)),
)


@pytest.fixture(scope='module')
def table(tmp_path_factory):
    """A table of made-up times of the small network: widths decide, and no load of the machine."""
    folder = tmp_path_factory.mktemp('table')
    patch = pytest.MonkeyPatch()
    torch.set_num_threads(1)  # as in processes of their own; the table says so

    def takes(ms):
        return Timing(ms, ms, ms, ms, 1)

    def whole(model, *_, **__):
        layers = [layer for layer in model.modules() if isinstance(layer, Conv2d)]
        return takes(sum(1e-3 * layer.in_channels * layer.out_channels for layer in layers))

    patch.setattr(
        measure, 'stopwatch', lambda *_: lambda _, inputs, outputs: takes(1e-3 * inputs * outputs)
    )
    patch.setattr(measure, 'measure_whole', whole)
    RUNNERS.build(asked(folder / 'first', 'halp', folder / 'table.json')).train()
    patch.undo()
    return folder / 'table.json'


def asked(folder, name, table, **changes):
    sizes = dict(recipe=name, round_to=2, table=str(table))
    return small(folder, **dict(target=0.5, **ASKED[name][0]) | changes | sizes)


def trained(folder, name, table, resume=None):
    return trained_weights(asked(folder / 'end', name, table), resume)


def test_every_method_under_a_latency_is_tried():
    assert list(ASKED) == [
        name for name, kind in METHODS.items() if getattr(kind, 'budgets', None) == ('latency',)
    ]


@pytest.mark.slow
@pytest.mark.parametrize('name', ASKED)
def test_a_run_killed_in_any_phase_ends_with_the_same_network(tmp_path, table, name):
    expected = trained(tmp_path, name, table)
    rounds = json.loads((tmp_path / 'end' / 'rounds.json').read_text())
    assert rounds[-1]['surgery_error'] < 1e-10
    assert 0.5 <= rounds[-1]['removed']['latency'] < 0.75
    for number, record in enumerate(rounds, 1):
        assert record['removed']['latency'] >= 1 - 0.5 ** (number / 3) - 1e-9
    for iteration in ASKED[name][1]:
        found = trained(tmp_path, name, table, iteration)
        assert found.keys() == expected.keys()
        for key in expected:
            assert torch.equal(found[key], expected[key]), (iteration, key)


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE)
@pytest.mark.parametrize('name', ASKED)
def test_two_processes_stay_equal(tmp_path, table, name):
    config = asked(tmp_path, name, table, epochs=6, save=18)
    config.custom_hooks = [dict(type='ReplicasEqual')]
    assert train_pair(config) == [0, 0]
    left, right = ends(tmp_path)
    assert equal(left['parameters'], right['parameters'])
    assert json.loads((tmp_path / 'rounds.json').read_text())[-1]['removed']['latency'] >= 0.5


@pytest.mark.slow
@pytest.mark.parametrize('name', ASKED)
def test_the_published_schedule_in_ten_iterations(tmp_path, table, name):
    recipe = Config.fromfile(CONFIGS / f'resnet50_{name}-p45_in1k.py').robust_prune.to_dict()
    del recipe['batch']  # of the table
    short = dict(rounds=3, interval=2) if 'rounds' in recipe else dict(soft='6 iters', every='2 i')
    config = asked(tmp_path, name, table, **recipe | short, epochs=2)
    config.train_dataloader.dataset.length = 20  # five batches of four, twice
    runner = RUNNERS.build(config)
    runner.train()
    rounds = json.loads((tmp_path / 'rounds.json').read_text())
    assert runner.iter == 10 and [one['iteration'] for one in rounds] == [2, 4, 6]
    assert rounds[-1]['removed']['latency'] >= recipe['target']
