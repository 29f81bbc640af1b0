import json
import sys

import torch

from benchmarks.record import keep


def test_a_result_says_what_it_depends_on(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['benchmarks/a.py', '--out', 'with space'])
    keep(tmp_path / 'new' / 'a.json', seconds=1.5)
    found = json.loads((tmp_path / 'new' / 'a.json').read_text())
    assert list(found) == ['threads', 'seconds', 'command', 'versions']
    assert found['seconds'] == 1.5 and found['threads'] == torch.get_num_threads()
    assert found['command'] == "python benchmarks/a.py --out 'with space'"
    assert found['versions']['torch'] == torch.__version__.partition('+')[0]
    assert 'mmrobustprune' not in found['versions']


def test_without_a_file_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keep(None, seconds=1.5)
    assert not list(tmp_path.iterdir())
