"""Latency tables: interpolation, files, refusals, measuring and going on."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrobustprune.latency import (
    LatencyTable,
    Timing,
    TimingGrid,
)
from tests.latency.fake import STAMP


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


def test_another_torch_is_said(tmp_path):
    path, stamp = tmp_path / 'table.json', dict(STAMP, versions=dict(torch='2.0'))
    LatencyTable(stamp, path).save()
    LatencyTable.open(path, stamp)
    with pytest.warns(UserWarning, match='measured with torch 2.0, and this is 2.9'):
        LatencyTable.open(path, dict(STAMP, versions=dict(torch='2.9')))


def test_lacking_points_come_largest_first():
    grid = TimingGrid({(8, 8): flat(1.0)})
    assert grid.lacking((8, 16), (8, 32)) == [(16, 32), (8, 32), (16, 8)]
