"""What the tests of corruption suites share: a VOC set and a detector that needs no training."""

from multiprocessing.pool import ThreadPool

import pytest

from tests.engine.robustness.toys import save, voc, write_voc


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_voc(tmp_path_factory.mktemp('data') / 'voc')


@pytest.fixture
def checkpoint(root, tmp_path):
    return save(voc(root, tmp_path), tmp_path / 'toy.pth')


@pytest.fixture
def steady(monkeypatch):
    """Stock VOC evaluation starts four processes for every cell: most of the time here.

    The checkout may get another commit between two runs.
    """
    monkeypatch.setattr('mmdet.evaluation.functional.mean_ap.Pool', ThreadPool)
    monkeypatch.setattr('mmrobustprune.records.stamp.commit', lambda: 'abc')
