"""AdaSAP under a latency budget: the table, the rounds, the removal, and what is refused."""

import json

import pytest
import torch
from mmengine.registry import RUNNERS

from mmrobustprune.engine.gradual import latency_budget
from mmrobustprune.engine.optim.optim_wrapper import AmpSAMOptimWrapper
from mmrobustprune.engine.runners import command
from mmrobustprune.latency import Timing, measure
from mmrobustprune.recipes.build import build_recipe
from tests.support.pair import PATIENCE, ends, equal, train_pair
from tests.support.process import run_apart, train
from tests.support.tiny import classifier, pruned


def latency(work_dir, table, **recipe):
    return pruned(
        classifier(work_dir),
        **dict(
            dict(recipe='adasap_latency', target=0.4, round_to=2, table=str(table), min_keep=0),
            **recipe,
        ),
    )


@pytest.fixture(scope='module')
def table(tmp_path_factory):
    """A table of made-up times, so that no load of the machine decides: widths do."""
    path = tmp_path_factory.mktemp('table') / 'table.json'
    patch = pytest.MonkeyPatch()
    torch.set_num_threads(1)  # as in processes of their own; the table says so

    def takes(ms):
        return Timing(ms, ms, ms, ms, 1)

    def watch(signature, inputs, outputs):
        return takes(1e-3 * inputs * outputs)

    def whole(model, *_, **__):
        convolutions = [layer for layer in model.modules() if isinstance(layer, torch.nn.Conv2d)]
        return takes(sum(1e-3 * layer.in_channels * layer.out_channels for layer in convolutions))

    patch.setattr(measure, 'stopwatch', lambda *_: watch)
    patch.setattr(measure, 'measure_whole', whole)
    RUNNERS.build(latency(path.parent / 'first', path)).train()
    patch.undo()
    return path


def test_rounds_follow_the_exponential_budget(table, tmp_path):
    runner = RUNNERS.build(latency(tmp_path, table, may_measure=False))
    runner.train()
    rounds = json.loads((tmp_path / 'rounds.json').read_text())
    for number, record in enumerate(rounds, 1):
        assert record['removed']['latency'] >= 1 - 0.6 ** (number / 3) - 1e-9
    assert rounds[-1]['removed']['latency'] < 0.45
    last = rounds[-1]
    assert last['latency_predicted'] == pytest.approx(
        (1 - last['removed']['latency']) * last['latency_dense_predicted']
    )
    assert (
        last['latency_measured'] > 0
        and last['speed_up'] == last['latency_dense'] / last['latency_measured']
    )
    assert last['macs_ratio'] == pytest.approx(1 / (1 - last['removed']['macs']), rel=0.05)
    assert all(0 <= record['gap'] < 0.2 for record in rounds)
    widths = {
        module.out_channels
        for module in runner.model.modules()
        if isinstance(module, torch.nn.Conv2d)
    }
    assert all(width % 2 == 0 for width in widths) and len(widths) > 4


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_weights(table, tmp_path):
    hooks = dict(checkpoint=dict(type='CheckpointHook', interval=2, by_epoch=False))
    whole, killed = (
        pruned(
            classifier(tmp_path / name, default_hooks=hooks),
            recipe='adasap_latency',
            target=0.4,
            round_to=2,
            table=str(table),
            min_keep=0,
        )
        for name in ('whole', 'killed')
    )
    assert run_apart(train, whole) == 0
    assert run_apart(train, killed, 9) == -9
    assert run_apart(train, killed, None, True) == 0
    states = [
        torch.load(tmp_path / name / 'pruned.pth', weights_only=True)['state_dict']
        for name in ('whole', 'killed')
    ]
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE)
def test_two_processes_prune_alike_by_one_table(table, tmp_path):
    config = latency(tmp_path, table, may_measure=False, measure=False)
    config.custom_hooks = [dict(type='ReplicasEqual')]
    assert train_pair(config) == [0, 0]
    left, right = ends(tmp_path)
    assert equal(left['parameters'], right['parameters'])
    assert json.loads((tmp_path / 'rounds.json').read_text())[-1]['removed']['latency'] >= 0.4


@pytest.mark.slow
def test_both_processes_are_told_of_a_table_that_is_missing(tmp_path):
    assert train_pair(latency(tmp_path, tmp_path / 'none.json', may_measure=False)) == [1, 1]


def test_bfloat16_under_a_latency_budget(table, tmp_path):
    config = latency(tmp_path, table, may_measure=False, measure=False)
    config.optim_wrapper = command.amp_wrapper(config.optim_wrapper)
    runner = RUNNERS.build(config)
    runner.train()
    assert type(runner.optim_wrapper) is AmpSAMOptimWrapper
    assert json.loads((tmp_path / 'rounds.json').read_text())[-1]['removed']['latency'] >= 0.4


@pytest.mark.slow
def test_measuring_draws_no_number(tmp_path):
    """A run that measures its table goes on with the random numbers of the one that finds it."""
    states = []
    for name in ('measures', 'finds'):
        RUNNERS.build(
            latency(
                tmp_path / name, tmp_path / 'table.json', target=0.1, measure=False, seconds=60.0
            )
        ).train()
        states.append(torch.get_rng_state())
    assert torch.equal(*states)


def test_the_two_networks_are_timed_in_turns(monkeypatch):
    """A machine that becomes slower in between slows both: the ratio is that of the networks."""
    order, clock = [], iter(range(1, 100))

    def slower_and_slower(network, *_, **__):
        order.append(network)
        ms = next(clock) * (4.0 if network == 'dense' else 1.0)
        return Timing(ms, ms, ms, ms, 1)

    monkeypatch.setattr(latency_budget, 'measure_whole', slower_and_slower)
    dense, pruned = latency_budget.times_in_turns(('dense', 'pruned'), {}, None, 'median')
    assert order == ['dense', 'pruned'] * 10
    assert (dense, pruned) == (4 * 10, 11)  # medians of 1, 3, ... and of 2, 4, ...
    clock = iter(range(1, 100))
    assert latency_budget.times_in_turns(('dense', 'pruned'), {}, None, 'least') == [4, 2]


def test_a_target_below_the_fastest_network(table, tmp_path):
    runner = RUNNERS.build(latency(tmp_path, table, may_measure=False, target=0.999))
    with pytest.raises(ValueError, match='the nearest feasible value is'):
        runner.train()
    assert not (tmp_path / 'pruned.pth').exists()


def test_no_table_and_no_permission(tmp_path):
    with pytest.raises(FileNotFoundError, match='there is no latency table'):
        RUNNERS.build(latency(tmp_path, tmp_path / 'none.json', may_measure=False)).train()


@pytest.mark.parametrize(
    'field, sentence',
    [
        (dict(budget='params'), "unknown robust_prune.budget 'params'"),
        (dict(scope='layer'), "scope='layer'"),
        (dict(solver='ilp'), "unknown robust_prune.solver 'ilp'"),
        (dict(batch=0), 'batch=0'),
        (dict(normalise='mode'), "unknown robust_prune.normalise 'mode'"),
    ],
)
def test_wrong_fields_are_one_sentence(field, sentence):
    with pytest.raises(ValueError, match=sentence):
        build_recipe(dict(dict(recipe='adasap_latency', target=0.5), **field))
