"""Measuring a table: what is measured, when it ends, and going on."""

import pytest
import torch
from torch import nn

from mmrobustprune.latency import (
    LatencyModel,
    LatencyTable,
    Network,
    Timing,
    measure_table,
    stamp_of,
)
from mmrobustprune.surgery import trace
from tests.latency.fake import STAMP, Bottlenecks, Watch, measured, staircase


def flat(ms):
    return Timing(ms, ms, ms, ms, 5)


def test_bilinear_times_need_the_coarse_grid_and_its_centres_only():
    _, _, network, table = measured()
    errors = [grid.error for grid in table.grids.values() if grid.error is not None]
    assert errors and errors == pytest.approx([0] * len(errors), abs=1e-12)
    axes = {grid.inputs for grid in table.grids.values()}
    axes |= {grid.outputs for grid in table.grids.values()}
    assert axes == {
        (3,),
        (1,),
        (5,),
        (8, 16),
        (8, 16, 32),
    }
    assert set(table.grids) == {block.signature.key for block in network.blocks}


def test_a_grid_is_split_where_interpolation_errs():
    _, _, network, coarse = measured(
        Bottlenecks(64, 128, 64), watch=Watch(staircase), dense=1.0, tolerance=1e9, points=2
    )
    _, _, _, fine = measured(
        Bottlenecks(64, 128, 64), watch=Watch(staircase), dense=1.0, tolerance=0, points=2
    )
    key = next(block.signature.key for block in network.blocks if block.name == 'second.0.0')
    assert coarse.grids[key].inputs == (8, 128)
    assert len(fine.grids[key].inputs) > len(coarse.grids[key].inputs)
    assert fine.grids[key].error < coarse.grids[key].error


def test_an_interrupted_measurement_goes_on(tmp_path):
    path = tmp_path / 'table.json'
    whole = Watch()
    *_, reference = measured(watch=whole, dense=1.0)
    with pytest.raises(KeyboardInterrupt):
        measured(path=path, watch=Watch(until=7), dense=1.0)
    rest = Watch()
    *_, table = measured(path=path, watch=rest)
    assert len(rest.seen) == len(whole.seen) - 7 and table.grids == reference.grids
    again = Watch()
    measured(path=path, watch=again)
    assert again.seen == []


def test_a_second_network_extends_the_table(tmp_path):
    path = tmp_path / 'table.json'
    measured(path=path, watch=(first := Watch()))
    *_, table = measured(Bottlenecks(wide=48), path=path, watch=(more := Watch()))
    assert (
        not set(first.seen) & set(more.seen) and len(table.networks) == 4
    )  # each with half its units
    kept = LatencyTable.open(path, STAMP)
    assert kept.grids == table.grids


def test_time_that_is_over_keeps_what_was_measured(tmp_path):
    with pytest.raises(ValueError, match='0 of .* entries .* start again'):
        measured(path=tmp_path / 'table.json', seconds=-1)
    assert len(LatencyTable.open(tmp_path / 'table.json', STAMP).networks) == 2


def test_the_time_of_earlier_calls_counts(tmp_path):
    """A table that was refined as long as it may be is not refined by the next user again."""
    path = tmp_path / 'table.json'
    *_, network, table = measured(
        Bottlenecks(64, 128, 64),
        path=path,
        watch=Watch(staircase),
        dense=1.0,
        tolerance=1e9,
        points=2,
    )
    table.spent[network.fingerprint] = 600.0
    table.save()
    measured(
        Bottlenecks(64, 128, 64),
        path=path,
        watch=(again := Watch(staircase)),
        tolerance=0,
        points=2,
        seconds=600,
    )
    assert again.seen == []
    *_, longer = measured(
        Bottlenecks(64, 128, 64),
        path=path,
        watch=(again := Watch(staircase)),
        tolerance=0,
        points=2,
        seconds=700,
    )
    assert again.seen and longer.spent[network.fingerprint] > 600


@pytest.mark.parametrize('options', [dict(step=0), dict(points=1)])
def test_grids_that_are_none_are_refused(options):
    with pytest.raises(ValueError, match='step='):
        measured(**options)


def test_real_clocks_measure_a_real_network(tmp_path):
    layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(True), nn.Conv2d(8, 2, 1)
    model = nn.Sequential(*layers)
    example = torch.randn(2, 3, 12, 12)
    network = Network.read(model, trace(model, example), example)
    table = LatencyTable.open(tmp_path / 'table.json', stamp_of(model, example))
    measure_table(table, network, model, example, progress=False, step=4, seconds=60)
    for grid in table.grids.values():
        assert all(timing.least > 0 for timing in grid.entries.values())
    assert LatencyModel(network, table).predict({}) == pytest.approx(
        table.networks[network.fingerprint].median
    )
    assert LatencyTable.open(tmp_path / 'table.json', stamp_of(model, example)).grids == table.grids
    assert (table.stamp['batch'], table.stamp['precision']) == (2, 'float32')
    assert table.stamp['device'].startswith('cpu: ')


@pytest.mark.parametrize('stem', [3, 8, 11, 12, 24, 44])
@pytest.mark.parametrize('step', [5, 8])
def test_any_width_and_step_gives_a_grid(stem, step):
    _, _, network, table = measured(Bottlenecks(stem=stem), watch=Watch(), dense=1.0, step=step)
    assert all(grid.inputs and grid.outputs for grid in table.grids.values())
    assert LatencyModel(network, table).predict(network.half) < 1
