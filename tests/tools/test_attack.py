"""tools/attack.py on classifiers, dense and pruned."""

import json

import pytest

pytest.importorskip('mmpretrain')
from mmengine.config import Config

from mmrobustprune.engine.deploy.oneshot import OneShot
from tests.support.tools import ROOT, run_tool


def run(monkeypatch, *words):
    """The exit code of the tool in this process."""
    return run_tool(monkeypatch, 'attack', *words)


def test_help_has_an_example(monkeypatch, capsys):
    assert run(monkeypatch, '--help') == 0
    assert 'Example:\n    python tools/attack.py' in capsys.readouterr().out


def test_a_table_and_a_file(monkeypatch, capsys, small, tmp_path):
    words = [
        *small,
        '--attack',
        'fgsm',
        'pgd',
        '--eps',
        '0',
        '2/255',
        '--steps',
        2,
        '--no-random-start',
        '--subset',
        10,
        '--work-dir',
        tmp_path,
    ]
    assert run(monkeypatch, *words) == 0
    said = capsys.readouterr().out
    assert '10 of 20 test images' in said and 'attacks.json' in said
    results = json.loads((tmp_path / 'attacks.json').read_text())
    rows = [
        (one['attack'], one['eps'], one.get('steps'), one['random_start'])
        for one in results['attacks']
    ]
    assert rows == [
        ('fgsm', 0, None, False),
        ('fgsm', 2 / 255, None, False),
        ('pgd', 0, 2, False),
        ('pgd', 2 / 255, 2, False),
    ]
    assert (
        results['attacks'][0]['accuracy'] == results['attacks'][2]['accuracy'] == results['clean']
    )
    before = (tmp_path / 'attacks.json').stat().st_mtime_ns
    assert run(monkeypatch, *words) == 0  # finished: read again, nothing run
    assert json.loads((tmp_path / 'attacks.json').read_text())['attacks'] == results['attacks']
    assert (tmp_path / 'attacks.json').stat().st_mtime_ns > before


@pytest.mark.parametrize(
    'words, sentence',
    [
        (['no.py', 'no.pth'], "config 'no.py' is not there"),
        (['{config}', 'no.pth'], "checkpoint 'no.pth' is not there"),
        (['{config}', '{checkpoint}', '--attack', 'pdg'], "did you mean 'pgd'"),
        (['{config}', '{checkpoint}', '--preset', 'srgkp'], "did you mean 'sr-gkp'"),
        (
            ['{config}', '{checkpoint}', '--preset', 'sr-gkp', '--attack', 'autoattack'],
            "preset 'sr-gkp' has no autoattack",
        ),
        (['{config}', '{checkpoint}', '--attack', 'fgsm', '--eps', 'much'], "'much' is no number"),
        (
            ['{config}', '{checkpoint}', '--attack', 'fgsm', '--space', 'normalised'],
            'give eps as well',
        ),
        (
            ['{config}', '{checkpoint}', '--attack', 'fgsm', '--eps', '.1', '--label', 'wrong'],
            "label='wrong'",
        ),
        (['{config}', '{checkpoint}', '--attack', 'fgsm', '--subset', '21'], 'give 1 to 20'),
        (['{config}', '{checkpoint}', '--batch-size', '-1'], "--batch-size: '-1' is no whole"),
        (
            [
                '{config}',
                '{checkpoint}',
                '--cfg-options',
                'test_dataloader.dataset.data_root=/no/where',
            ],
            '/no/where',
        ),
    ],
)
def test_errors_are_one_sentence_and_exit_code_two(
    monkeypatch, capsys, small, tmp_path, words, sentence
):
    given = [word.format(config=small[0], checkpoint=small[1]) for word in words]
    assert run(monkeypatch, *given, '--work-dir', tmp_path / 'w') == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('attack: ') and sentence in error
    assert not (tmp_path / 'w' / 'attacks.json').exists()


@pytest.mark.slow
def test_a_pruned_checkpoint_under_every_attack(monkeypatch, capsys, small, tmp_path):
    config, checkpoint = small
    OneShot(Config.fromfile(config), str(checkpoint), (32, 32), 'magnitude', 0.4).write(tmp_path)
    words = ['--subset', 8, '--iterations', 3, '--queries', 10, '--work-dir', tmp_path / 'w']
    assert run(monkeypatch, config, tmp_path / 'pruned.pth', *words) == 0
    results = json.loads((tmp_path / 'w' / 'attacks.json').read_text())
    assert [one['attack'] for one in results['attacks']] == ['fgsm', 'pgd', 'autoattack']
    assert 'after square' in capsys.readouterr().out
    assert results['attacks'][2]['accuracy'] <= results['clean']


@pytest.mark.slow
def test_standard_autoattack_is_not_weaker_than_pgd_on_a_real_network(monkeypatch, tmp_path):
    for needed in ('data/resnet20_cifar10.pth', 'data/cifar10_jpeg/test'):
        if not (ROOT / needed).exists():
            pytest.skip(f'{needed} is not there; tools/experiments/prepare_data.py makes it')
    monkeypatch.chdir(ROOT)
    words = [
        'configs/cifar_jpeg/resnet20_cifar10-jpeg.py',
        'data/resnet20_cifar10.pth',
        '--attack',
        'pgd',
        'autoattack',
        '--eps',
        '8/255',
        '--subset',
        6,
        '--work-dir',
        tmp_path,
    ]
    assert run(monkeypatch, *words) == 0
    results = json.loads((tmp_path / 'attacks.json').read_text())
    pgd, auto = results['attacks']
    assert auto['version'] == 'standard' and auto['eps'] == pgd['eps'] == 8 / 255
    assert auto['images'] == pgd['images'] == 6 and pgd['subset'] == auto['subset']
    assert auto['accuracy'] <= pgd['accuracy'] <= results['clean'] and results['clean'] > 0.5
    assert list(auto['breakdown']) == ['apgd-ce', 'apgd-t', 'fab-t', 'square']
