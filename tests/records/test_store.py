import json
import os

import numpy as np
import pytest

from mmrobustprune.corruption import Cell
from mmrobustprune.corruption.evidence import Hits
from mmrobustprune.corruption.suites import CLEAN
from mmrobustprune.records.files import read_json, write_json
from mmrobustprune.records.store import CellStore, evidence_path

RUN = dict(weights='aa', seed=0, versions=dict(torch='2.12.1'))
FOG = Cell('fog', 3)


def test_a_second_store_of_the_same_run_finds_what_is_finished(tmp_path):
    first = CellStore(tmp_path / 'cells', RUN)
    first.write(CLEAN, {'pascal_voc/mAP': 0.5})
    first.write(FOG, {'pascal_voc/mAP': 1 / 3})
    second = CellStore(tmp_path / 'cells', dict(reversed(RUN.items())))
    found = second.read([FOG, Cell('fog', 4), CLEAN])
    assert found == {FOG: {'pascal_voc/mAP': 1 / 3}, CLEAN: {'pascal_voc/mAP': 0.5}}


@pytest.mark.parametrize('change', [dict(weights='bb'), dict(seed=1), dict(versions={})])
def test_cells_of_another_run_are_refused_by_what_differs(tmp_path, change):
    CellStore(tmp_path, RUN).write(FOG, {'x': 1.0})
    with pytest.raises(ValueError, match=f'another run .{next(iter(change))} differ'):
        CellStore(tmp_path, {**RUN, **change})
    assert CellStore(tmp_path, RUN).read([FOG])  # and are left as they were


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / 'results.json'
    write_json(path, dict(P=0.5))

    def full(handle):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match='No space'):
        write_json(path, dict(P=0.6))
    assert os.listdir(tmp_path) == ['results.json'] and read_json(path) == dict(P=0.5)


def test_evidence_of_another_metric_goes_when_the_cell_is_evaluated_anew(tmp_path):
    store = CellStore(tmp_path, dict(weights='a'))
    store.write(FOG, dict(top1=50.0), Hits(np.array([True, False])))
    assert evidence_path(tmp_path, FOG).is_file()
    store.write(FOG, dict(f1=40.0))
    assert not evidence_path(tmp_path, FOG).exists() and store.read([FOG]) == {FOG: dict(f1=40.0)}


def test_numbers_keep_every_digit_and_what_is_no_number_becomes_null(tmp_path):
    value = 0.1 + 0.2
    write_json(
        tmp_path / 'a.json',
        dict(
            a=value,
            b=np.float64(value),
            c=np.int64(3),
            d=float('nan'),
            e=np.array([1.0, np.inf]),
            f='x',
        ),
    )
    text = (tmp_path / 'a.json').read_text()
    assert json.loads(text) == dict(a=value, b=value, c=3, d=None, e=[1.0, None], f='x')


def test_a_file_cut_short_is_named(tmp_path):
    store = CellStore(tmp_path, RUN)
    (tmp_path / 'fog-3.json').write_text('{"x": ')
    with pytest.raises(ValueError, match='fog-3.json is cut short'):
        store.read([FOG])


def test_a_file_in_a_folder_that_is_not_there_yet(tmp_path):
    write_json(tmp_path / 'new' / 'deep' / 'a.json', dict(a=1))
    assert read_json(tmp_path / 'new' / 'deep' / 'a.json') == dict(a=1)
