import numpy as np
import pytest

from mmrobustprune.corruption import Cell
from mmrobustprune.corruption.evidence import Hits
from mmrobustprune.corruption.suites import CLEAN
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


def test_evidence_of_another_metric_goes_when_the_cell_is_evaluated_anew(tmp_path):
    store = CellStore(tmp_path, dict(weights='a'))
    store.write(FOG, dict(top1=50.0), Hits(np.array([True, False])))
    assert evidence_path(tmp_path, FOG).is_file()
    store.write(FOG, dict(f1=40.0))
    assert not evidence_path(tmp_path, FOG).exists() and store.read([FOG]) == {FOG: dict(f1=40.0)}


def test_a_file_cut_short_is_named(tmp_path):
    store = CellStore(tmp_path, RUN)
    (tmp_path / 'fog-3.json').write_text('{"x": ')
    with pytest.raises(ValueError, match='fog-3.json is cut short'):
        store.read([FOG])


@pytest.mark.parametrize('key', [('fog', 3), ('pgd-pixel-0.03-ab12', 0)])
def test_any_name_and_number_are_a_key(tmp_path, key):
    """The store knows no suite."""
    CellStore(tmp_path, RUN).write(key, dict(x=1.5))
    assert CellStore(tmp_path, RUN).read([key, ('other', 3)]) == {key: dict(x=1.5)}
    assert (tmp_path / f'{key[0]}-{key[1]}.json').is_file()
    assert evidence_path(tmp_path, key).name == f'{key[0]}-{key[1]}.npz'
