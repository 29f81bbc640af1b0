"""tools/robustness.py: its tables, files, names of models and errors."""

import json
import runpy
from pathlib import Path

import pytest
from mmengine.config import Config

from tests.engine.robustness.toys import save
from tests.support.tools import run_tool

ROOT = Path(__file__).parents[2]
TOOL = str(ROOT / 'tools' / 'robustness.py')


def run(monkeypatch, *words):
    """The exit code of the tool in this process."""
    return run_tool(monkeypatch, 'robustness', *words)


def test_help_has_an_example(monkeypatch, capsys):
    assert run(monkeypatch, '--help') == 0
    assert 'Examples:\n    python tools/robustness.py' in capsys.readouterr().out


def test_a_table_a_verdict_and_the_results_file(monkeypatch, capsys, toy, tmp_path):
    words = [
        *toy,
        '--corruptions',
        'noise',
        'fog',
        '--severities',
        '3',
        '--work-dir',
        tmp_path / 'w',
    ]
    assert run(monkeypatch, *words) == 0
    out = capsys.readouterr().out
    assert 'gaussian_noise' in out and 'mPC' in out and 'results.json' in out
    results = json.loads((tmp_path / 'w' / 'results.json').read_text())
    assert len(results['cells']) == 4 and results['P'] == 1
    assert results['config'] == str(toy[0]) and results['command'].endswith(f'{tmp_path}/w')
    assert run(monkeypatch, *words) == 0  # finished: nothing to do, the same file
    assert json.loads((tmp_path / 'w' / 'results.json').read_text()) == results


@pytest.mark.slow
def test_several_models_in_one_call_and_a_gate(monkeypatch, capsys, toy, tmp_path):
    other = save(Config.fromfile(toy[0]), tmp_path / 'weak.pth', weight=0.4)
    words = [
        *toy,
        toy[0],
        other,
        '--names',
        'good',
        'weak',
        '--corruptions',
        'noise',
        'fog',
        '--severities',
        '3',
        '--work-dir',
        tmp_path / 'w',
    ]
    assert run(monkeypatch, *words, '--fail-under', 'P=0.1', 'mPC=0.01') == 0
    good, weak = [
        json.loads((tmp_path / 'w' / name / 'results.json').read_text())
        for name in ('good', 'weak')
    ]
    assert good['mPC'] > weak['mPC'] and good['data'] == weak['data']
    page = (tmp_path / 'w' / 'report' / 'index.html').read_text()
    assert 'good' in page and 'weak' in page and 'src="data:image/png;base64' in page
    between = (good['mPC'] + weak['mPC']) / 2
    capsys.readouterr()
    assert run(monkeypatch, *words, '--no-report', '--fail-under', f'mPC={between}') == 3
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('robustness: weak: mPC is ') and 'below' in error
    assert (
        run(monkeypatch, *words, '--no-report', '--fail-over', 'mCE=70') == 2
    )  # there is none: no pass
    assert (
        run(
            monkeypatch,
            *words,
            '--no-report',
            '--fail-under',
            f'mPC={between}',
            '--fail-under',
            'P=0.1',
        )
        == 3
    )


def test_models_get_the_names_that_tell_them_apart():
    names = runpy.run_path(TOOL)['names_of']
    assert names(['a.py', 'b.py'], ['x.pth', 'x.pth'], None) == ['a', 'b']
    assert names(['a.py', 'a.py'], ['x.pth', 'y.pth'], None) == ['x', 'y']
    assert names(['p.py', 'p.py'], ['one/p.pth', 'two/p.pth'], None) == ['one', 'two']
    for given in (['a'], ['a', 'a']):
        with pytest.raises(ValueError, match='give each a name of its own'):
            names(['p.py', 'p.py'], ['p.pth', 'p.pth'], given)
    with pytest.raises(ValueError, match='tell them apart with --names'):
        names(['p.py', 'p.py'], ['p.pth', 'p.pth'], None)


@pytest.mark.parametrize(
    'words, sentence',
    [
        (
            ['{config}', '{checkpoint}', '{config}'],
            'has no checkpoint; give CONFIG CHECKPOINT pairs',
        ),
        (['{config}', '{checkpoint}', '--fail-under', 'mPC'], "the bound 'mPC' cannot be read"),
        (['{config}', '{checkpoint}', '--stored', 'nowhere'], 'nowhere'),
        (['{config}', '{checkpoint}', '--baseline', 'alexnt'], "did you mean 'alexnet'"),
        (['no.py', 'no.pth'], "config 'no.py' is not there"),
        (['{config}', 'no.pth'], "checkpoint 'no.pth' is not there"),
        (['{config}', '{checkpoint}', '--severities', '6'], 'severity 6 is not in 1..5'),
        (['{config}', '{checkpoint}', '--suite', 'cifar-c'], "did you mean 'cifar-10-c'"),
        (['{config}', '{checkpoint}', '--corruptions', 'snw'], "did you mean 'snow'"),
        (
            ['{config}', '{checkpoint}', '--cfg-options', 'robust_eval.severty=3'],
            "did you mean 'severities'",
        ),
        (['{config}', '{config}'], 'toy.py'),
    ],
)
def test_errors_are_one_sentence_and_exit_code_two(
    monkeypatch, capsys, toy, tmp_path, words, sentence
):
    given = [word.format(config=toy[0], checkpoint=toy[1]) for word in words]
    assert run(monkeypatch, *given, '--work-dir', tmp_path / 'w') == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('robustness: ') and sentence in error
    assert not (tmp_path / 'w' / 'results.json').exists()


def test_a_data_root_that_is_not_there_is_one_sentence(monkeypatch, capsys, toy, tmp_path):
    assert (
        run(
            monkeypatch,
            *toy,
            '--work-dir',
            tmp_path / 'w',
            '--cfg-options',
            'test_dataloader.dataset.data_root=/no/where/',
        )
        == 2
    )
    assert '/no/where' in capsys.readouterr().err.splitlines()[-1]
