"""tools/analyze.py sensitivity, and its limits in tools/prune.py."""

import json

import pytest

pytest.importorskip('mmpretrain')

from tests.support.tools import run_tool


def test_numbers_limits_and_their_use(monkeypatch, capsys, small, tmp_path):
    words = ['--fractions', 0.25, 0.5, '--subset', 10, '--allowed', 0.9, '--work-dir', tmp_path]
    assert run_tool(monkeypatch, 'analyze', 'sensitivity', *small, *words) == 0
    said = capsys.readouterr().out
    assert 'within the limits at most' in said
    assert 'sensitivity.json, sensitivity.png, ratios.json' in said
    found = json.loads((tmp_path / 'sensitivity.json').read_text())
    assert found['images'] == 10
    name = found['groups'][0]['name']
    (tmp_path / 'ratios.json').write_text(json.dumps({name: 0.0}))
    words = ['--out', tmp_path / 'cut', '--shape', 32, 32, '--target', 0.3]
    words += ['--ratios', tmp_path / 'ratios.json', '--recalibrate', '']
    assert run_tool(monkeypatch, 'prune', *small, *words) == 0
    record = json.loads((tmp_path / 'cut' / 'structure.json').read_text())
    assert record['layers'] and 'out' not in record['layers'].get(name, {})


@pytest.mark.parametrize(
    'tool, words, sentence',
    [
        ('analyze', ['--fractions', '2'], '--fractions=[2.0] must lie in (0, 1)'),
        ('analyze', ['--corruptions', 'fogg'], "(did you mean 'fog'?)"),
        ('analyze', ['--metric', 'mAP'], "metric 'mAP' is not evaluated; choose among"),
        ('analyze', ['--ignore', 'nothing'], "pattern 'nothing' matches no layer"),
        ('prune', ['--ratios', 'none.json'], "--ratios='none.json' is not there; give"),
        ('prune', ['--images', '/nowhere'], 'no image (.bmp, .jpeg, .jpg'),
    ],
)
def test_errors_are_one_sentence(monkeypatch, capsys, small, tmp_path, tool, words, sentence):
    given = ['sensitivity', *small] if tool == 'analyze' else list(small)
    given += ['--work-dir', tmp_path] if tool == 'analyze' else ['--out', tmp_path, '--shape']
    given += [] if tool == 'analyze' else [32, 32]
    assert run_tool(monkeypatch, tool, *given, *words) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f'{tool}: ') and sentence in error
