"""Latency tables: interpolation, files, refusals, measuring and going on."""

import json
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mmrobustprune.latency import (
    LatencyModel,
    LatencyTable,
    Network,
    Timing,
    TimingGrid,
    measure_table,
    stamp,
    stamp_of,
    time_call,
)
from mmrobustprune.surgery import trace
from tests.latency.fake import STAMP, Bottlenecks, Watch, measured, staircase


def flat(ms):
    return Timing(ms, ms, ms, ms, 5)


def a_table(
    path=None, function=lambda i, o: 1 + i + 2 * o + 3 * i * o, inputs=(8, 16, 64), outputs=(8, 32)
):
    table = LatencyTable(STAMP, path)
    for i in inputs:
        for o in outputs:
            table.add('block', (i, o), flat(float(function(i, o))))
    table.grids['block'].accept(inputs, outputs)
    return table


@given(st.integers(8, 64), st.integers(8, 32))
def test_interpolation_is_exact_for_bilinear_times(i, o):
    assert a_table().ms('block', i, o) == pytest.approx(1 + i + 2 * o + 3 * i * o)


def test_interpolation_of_arrays_and_of_one_width():
    table = a_table(inputs=(1,), outputs=(8, 16, 32), function=lambda i, o: o * o)
    assert table.ms('block', 1, np.array([[8, 12], [16, 24]])).tolist() == [[64, 160], [256, 640]]


def test_median_or_least_counts():
    row = Timing(3.0, 2.0, 4.0, 1.0, 9)
    for statistic, value in (('median', 3), ('least', 1)):
        table = LatencyTable(STAMP, statistic=statistic)
        table.add('block', (1, 8), row)
        table.grids['block'].accept([1], [8])
        assert table.ms('block', 1, 8) == value
    with pytest.raises(ValueError, match="'mean' is unknown"):
        LatencyTable(STAMP, statistic='mean')


def test_what_was_not_measured_is_refused():
    table = a_table()
    with pytest.raises(ValueError, match="no complete grid of 'other'"):
        table.ms('other', 8, 8)
    for i, o, words in ((4, 8, 'input widths 8 to 64'), (8, 33, 'output widths 8 to 32')):
        with pytest.raises(ValueError, match=words):
            table.ms('block', i, o)
    with pytest.raises(ValueError, match='not complete'):
        table.grids['block'].accept((8, 9), (8,))


def test_a_file_gives_back_every_number(tmp_path):
    table = a_table(tmp_path / 'sub' / 'table.json', lambda i, o: 1 / (i + o))
    table.networks['net'] = Timing(3.0, 2.0, 4.0, 1 / 3, 9)
    table.save()
    again = LatencyTable.open(tmp_path / 'sub' / 'table.json', STAMP)
    assert (again.grids, again.networks, again.stamp) == (table.grids, table.networks, STAMP)
    assert [path.name for path in (tmp_path / 'sub').iterdir()] == ['table.json']


@pytest.mark.parametrize(
    'key, value',
    [
        ('device', 'cuda: other'),
        ('batch', 3),
        ('threads', 2),
        ('precision', 'float16'),
        ('clock', 'elapsed'),
        ('evict', 1),
    ],
)
def test_a_table_of_something_else_is_refused(tmp_path, key, value):
    a_table(tmp_path / 'table.json').save()
    with pytest.raises(ValueError, match=f'with {key} .* is wanted; give another file'):
        LatencyTable.open(tmp_path / 'table.json', STAMP | {key: value})


def test_no_table_and_no_permission_to_measure(tmp_path):
    with pytest.raises(FileNotFoundError, match='no latency table .*measure one first'):
        LatencyTable.open(tmp_path / 'table.json', STAMP, create=False)
    assert LatencyTable.open(tmp_path / 'table.json', STAMP).grids == {}


def test_a_table_edited_by_hand_is_refused(tmp_path):
    path = tmp_path / 'table.json'
    a_table(path).save()
    content = json.loads(path.read_text())
    content['blocks']['block']['entries'][0][2] *= 0.5
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match='changed after it was measured'):
        LatencyTable.open(path, STAMP)
    for text in ('', '[]', '{"checksum": 1}', '{"format": 1'):
        path.write_text(text)
        with pytest.raises(ValueError, match='no latency table'):
            LatencyTable.open(path, STAMP)


@pytest.mark.parametrize('ms', [-1.0, float('nan'), float('inf'), '3'])
def test_impossible_times_are_refused(tmp_path, ms):
    table = a_table(tmp_path / 'table.json')
    with pytest.raises(ValueError, match='finite and not negative'):
        table.add('block', (8, 8), flat(ms))
    table.grids['block'].entries[8, 8] = flat(ms)  # as a program with a bug would write it
    table.save()
    with pytest.raises(ValueError, match='finite and not negative'):
        LatencyTable.open(tmp_path / 'table.json', STAMP)


def test_bilinear_times_need_the_coarse_grid_and_its_centres_only():
    _, _, network, table = measured()
    errors = [grid.error for grid in table.grids.values() if grid.error is not None]
    assert errors and errors == pytest.approx([0] * len(errors), abs=1e-12)
    assert {axis for grid in table.grids.values() for axis in (grid.inputs, grid.outputs)} == {
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
    """A table that was refined as long as it may be is not refined again by the next user of the network."""
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


def test_another_torch_is_said(tmp_path):
    path, stamp = tmp_path / 'table.json', dict(STAMP, versions=dict(torch='2.0'))
    LatencyTable(stamp, path).save()
    LatencyTable.open(path, stamp)
    with pytest.warns(UserWarning, match='measured with torch 2.0, and this is 2.9'):
        LatencyTable.open(path, dict(STAMP, versions=dict(torch='2.9')))


@pytest.mark.parametrize('options', [dict(step=0), dict(points=1)])
def test_grids_that_are_none_are_refused(options):
    with pytest.raises(ValueError, match='step='):
        measured(**options)


def whole(table, network, dense, half):
    """The model of the table's times when the whole network takes these."""
    table.networks |= {network.fingerprint: flat(dense), network.half_fingerprint: flat(half)}
    return LatencyModel(network, table)


def test_the_network_and_its_half_come_out_as_measured():
    """Blocks alone take S ms, those of half the units H; inside the network twice that, and 1 ms for all else."""
    _, _, network, table = measured(dense=1.0)
    alone = LatencyModel(network, table)
    blocks, half = alone.dense - alone.constant, alone.predict(network.half) - alone.constant
    assert alone.factor == pytest.approx(1) and 0 < half < blocks
    twice = whole(table, network, 2 * blocks + 1, 2 * half + 1)
    assert (twice.factor, twice.constant) == pytest.approx((2, 1))
    assert (twice.predict({}), twice.predict(network.half)) == pytest.approx(
        (2 * blocks + 1, 2 * half + 1)
    )
    levels = {name: np.array([8, units]) for name, units in network.units.items()}
    for name, ms in alone.changes(levels, {}).items():
        assert twice.changes(levels, {})[name] == pytest.approx(2 * ms) and ms[0] < 0


def test_what_does_not_shrink_takes_no_less_than_nothing():
    _, _, network, table = measured(dense=1.0)
    blocks = 1 - LatencyModel(network, table).constant
    steep = whole(table, network, 3 * blocks, 0.1 * blocks)
    assert (steep.factor, steep.constant) == pytest.approx((3, 0))
    slower = whole(table, network, blocks + 1, blocks + 2)
    assert (slower.factor, slower.constant, slower.predict(network.half)) == pytest.approx(
        (0, blocks + 1, blocks + 1)
    )


def test_the_half_is_that_of_the_groups():
    """Halves of other groups, in one table: each network's own decides."""
    model, found, network, table = measured(dense=1.0)
    fewer = Network.read(model, found.groups[1:], torch.randn(2, 3, 8, 8))
    assert fewer.blocks == network.blocks and fewer.fingerprint != network.fingerprint
    with pytest.raises(ValueError, match='lacks this network'):
        LatencyModel(fewer, table)


def test_a_network_of_half_the_units_is_measured_beside_the_dense_one():
    model, found, network, table = measured()
    small, x = network.halved(model), torch.randn(2, 3, 8, 8)
    assert all(len(units) == 2 * int(units.sum()) for units in network.half.values())
    assert (
        small(x).shape == model(x).shape
        and small.stem[0].out_channels == model.stem[0].out_channels // 2
    )
    assert table.networks.keys() == {network.fingerprint, network.half_fingerprint}
    assert Network.read(small, trace(small, x), x).units == {
        name: n // 2 for name, n in network.units.items()
    }


def test_real_clocks_measure_a_real_network(tmp_path):
    model, example = (
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(True), nn.Conv2d(8, 2, 1)),
        torch.randn(2, 3, 12, 12),
    )
    network = Network.read(model, trace(model, example), example)
    table = LatencyTable.open(tmp_path / 'table.json', stamp_of(model, example))
    measure_table(table, network, model, example, progress=False, step=4, seconds=60)
    assert all(
        timing.least > 0 for grid in table.grids.values() for timing in grid.entries.values()
    )
    assert LatencyModel(network, table).predict({}) == pytest.approx(
        table.networks[network.fingerprint].median
    )
    assert LatencyTable.open(tmp_path / 'table.json', stamp_of(model, example)).grids == table.grids
    assert (
        table.stamp['batch'] == 2
        and table.stamp['device'].startswith('cpu: ')
        and table.stamp['precision'] == 'float32'
    )


def test_the_stamp_says_what_counts():
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = stamp('cpu', 4, torch.bfloat16)
        torch.set_num_threads(2)
        two = stamp('cpu', 4, torch.bfloat16)
    finally:
        torch.set_num_threads(threads)
    assert (one['threads'], one['clock'], two['threads'], two['clock']) == (
        1,
        'processor',
        2,
        'elapsed',
    )
    assert (
        one['precision'] == 'bfloat16'
        and {'torch', 'python', 'mmrobustprune'} <= one['versions'].keys()
    )


def test_calls_are_counted_and_ordered():
    calls = []
    timing = time_call(lambda: calls.append(1), warmup=2, repeats=9, evict=64)
    assert len(calls) == 11 and timing.repeats == 9
    assert 0 <= timing.least <= timing.p10 <= timing.median <= timing.p90
    assert time_call(lambda: None, warmup=0, repeats=1000, seconds=0, least=3).repeats == 3


SETTLED = """
import resource, torch
from mmrobustprune.latency import time_call

def call():
    held = [torch.ones(2 ** 20) for _ in range(3)]

time_call(call, warmup=1, repeats=5)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    call()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 10)
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != 'glibc', reason='other allocators give memory back in other ways'
)
def test_timed_calls_do_not_fetch_their_memory_anew():
    """3 x 4 MB are 3,072 pages, which a young process gives back after every call."""
    plain = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(('MALLOC_', 'GLIBC_TUNABLES'))
    }
    done = subprocess.run(
        [sys.executable, '-c', SETTLED], capture_output=True, text=True, check=True, env=plain
    )
    assert float(done.stdout) < 30


def test_lacking_points_come_largest_first():
    grid = TimingGrid({(8, 8): flat(1.0)})
    assert grid.lacking((8, 16), (8, 32)) == [(16, 32), (8, 32), (16, 8)]


@pytest.mark.parametrize('stem', [3, 8, 11, 12, 24, 44])
@pytest.mark.parametrize('step', [5, 8])
def test_any_width_and_step_gives_a_grid(stem, step):
    _, _, network, table = measured(Bottlenecks(stem=stem), watch=Watch(), dense=1.0, step=step)
    assert all(grid.inputs and grid.outputs for grid in table.grids.values())
    assert LatencyModel(network, table).predict(network.half) < 1
