"""tools/import_pruned.py chooses by the kind of file; the other tests look at each kind."""

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def import_pruned(*words):
    runpy.run_path(str(ROOT / 'tools' / 'import_pruned.py'))['main']([str(word) for word in words])


def test_numbers_of_a_paper_become_cards(tmp_path, capsys):
    (tmp_path / 'rows.csv').write_text('board,method,source,metric,clean\nA,m,Table 1,top1,93\n')
    import_pruned(tmp_path / 'rows.csv', '--out', tmp_path)
    assert 'cited-a-m.json: numbers of a paper' in capsys.readouterr().out
    assert json.loads((tmp_path / 'cited-a-m.json').read_text())['numbers'] == {'clean': 93.0}


def test_what_is_lacking_or_too_much_is_said(tmp_path):
    with pytest.raises(ValueError, match="'a.pth' is the only file given; name the config of its"):
        import_pruned('a.pth', '--out', tmp_path)
    with pytest.raises(ValueError, match='a.py and b.py are given for one ONNX file'):
        import_pruned('a.py', 'b.py', 'c.onnx', '--out', tmp_path)


def test_weights_are_pruned_by_their_widths(small, tmp_path, capsys):
    import torch

    from mmrobustprune.engine.bridge.checkpoint import load_model
    from mmrobustprune.engine.bridge.config import load_config
    from mmrobustprune.surgery import prune_channels

    config, checkpoint = map(str, small)
    model, _, _ = load_model(load_config(config), checkpoint)
    example = dict(inputs=torch.zeros(1, 3, 16, 16), mode='tensor')
    prune_channels(model, example, ratio=0.375, forward=lambda model, x: model(**x))
    torch.save(model.state_dict(), tmp_path / 'theirs.pth')
    import_pruned(config, tmp_path / 'theirs.pth', '--out', tmp_path, '--shape', 16, 16)
    assert 'imported widths: ' in capsys.readouterr().out
    assert (tmp_path / 'pruned.pth').is_file() and (tmp_path / 'structure.json').is_file()
