"""tools/make_corrupted.py: the test sets of configs as trees of corrupted images."""

import json

import numpy as np
import pytest
from mmengine.config import Config

from mmrobustprune.corruption import Cell, get_suite
from mmrobustprune.corruption.apply import apply
from mmrobustprune.corruption.images import decode
from mmrobustprune.corruption.stored import open_stored
from mmrobustprune.engine.robustness.write_set import test_images as images_of
from mmrobustprune.engine.robustness.write_set import write_test_set
from tests.engine.robustness.toys import arrays, voc, write_voc
from tests.support.tools import run_tool


def run(monkeypatch, *words):
    """The exit code of the tool in this process."""
    return run_tool(monkeypatch, 'make_corrupted', *words)


@pytest.fixture
def toy(tmp_path):
    config = voc(write_voc(tmp_path / 'voc'), tmp_path / 'work')
    config.dump(str(tmp_path / 'toy.py'))
    return tmp_path / 'toy.py'


@pytest.mark.slow
def test_a_tree_its_check_and_what_is_stored(monkeypatch, capsys, toy, tmp_path):
    words = [
        toy,
        '--out',
        tmp_path / 'out',
        '--corruptions',
        'fog',
        'impulse_noise',
        '--severities',
        2,
        '--seed',
        4,
    ]
    assert run(monkeypatch, *words, '--workers', 2) == 0
    said = capsys.readouterr()
    assert (
        f"{tmp_path / 'out'}: 6 images in 2 cells of 'voc-c', manifest.json" in said.out
        and '6/6' in said.err
    )
    stored = open_stored(tmp_path / 'out', get_suite('voc-c'))
    assert stored.seed == 4 and stored.names == [f'{index:06d}.jpg' for index in range(6)]
    paths = images_of(Config.fromfile(toy))
    stored.check([Cell('fog', 2)], paths)
    for index, path in enumerate(paths):
        assert np.array_equal(
            stored.read(Cell('fog', 2), index, path), apply(decode(path), 'fog', 2, 4)
        )
    before = (tmp_path / 'out' / 'manifest.json').read_bytes()
    assert (
        run(monkeypatch, *words, '--workers', 1) == 0
        and (tmp_path / 'out' / 'manifest.json').read_bytes() == before
    )

    assert run(monkeypatch, '--out', tmp_path / 'out', '--check') == 0
    assert '12 files are as they were written' in capsys.readouterr().out
    (tmp_path / 'out' / 'fog' / '2' / '000003.png').unlink()
    assert run(monkeypatch, '--out', tmp_path / 'out', '--check') == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('make_corrupted: 1 of 12 files') and 'fog/2/000003.png' in error


def test_arrays_have_numbers_and_a_config_may_say_all(tmp_path):
    config = arrays(tmp_path / 'work')
    config.robust_eval = dict(suite='cifar-10-c', corruptions='frost', severities=[1, 3], seed=9)
    manifest = write_test_set(config, tmp_path / 'out')
    assert (
        manifest['suite'] == 'cifar-10-c'
        and manifest['seed'] == 9
        and len(manifest['images']) == 12
    )
    images = images_of(config)
    stored = open_stored(tmp_path / 'out', get_suite('cifar-10-c'))
    assert np.array_equal(
        stored.read(Cell('frost', 3), 11, None, images[11]),
        apply(images[11], 'frost', 3, 9, 'cifar'),
    )
    assert not np.array_equal(images[11], images[10])


def test_the_suite_goes_with_the_evaluator_and_the_size(tmp_path):
    config = arrays(tmp_path / 'work')
    manifest = write_test_set(config, tmp_path / 'out', corruptions='contrast', severities=1)
    assert (
        manifest['suite'] == 'imagenet-c-at-32' and manifest['family'] == 'imagenet'
    )  # a claim to be CIFAR-10-C is asked for


@pytest.mark.parametrize(
    'words, sentence',
    [
        (['no.py'], "config 'no.py' is not there"),
        ([], 'no config was given'),
        (['{config}', '--suite', 'voc'], "did you mean 'voc-c'"),
        (
            ['{config}', '--suite', 'cifar-10-c'],
            'is for 32x32 images and the data set has 81x60 images',
        ),
        (['{config}', '--corruptions', 'snw'], "did you mean 'snow'"),
        (['{config}', '--severities', '6'], 'severity 6 is not in 1..5'),
        (
            [
                '{config}',
                '--cfg-options',
                'test_dataloader.dataset.pipeline.0.imdecode_backend=pillow',
            ],
            "imdecode_backend='pillow'",
        ),
        (
            [
                '{config}',
                '--cfg-options',
                'test_dataloader.dataset.pipeline.0.color_type=grayscale',
            ],
            "color_type='grayscale'",
        ),
        (['--check'], 'has no manifest.json'),
    ],
)
def test_errors_are_one_sentence_and_exit_code_two(
    monkeypatch, capsys, toy, tmp_path, words, sentence
):
    assert (
        run(monkeypatch, *(word.format(config=toy) for word in words), '--out', tmp_path / 'out')
        == 2
    )
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('make_corrupted: ') and sentence in error
    assert not (tmp_path / 'out').exists()


def test_an_unreadable_picture_is_named(monkeypatch, capsys, tmp_path):
    voc(write_voc(tmp_path / 'voc', bad=True), tmp_path / 'work').dump(str(tmp_path / 'toy.py'))
    words = [
        tmp_path / 'toy.py',
        '--out',
        tmp_path / 'out',
        '--corruptions',
        'fog',
        '--severities',
        1,
        '--workers',
        1,
    ]
    assert run(monkeypatch, *words) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert '1 of 6 images are left out (000004.jpg), the others are written' in error
    assert len(list((tmp_path / 'out').rglob('*.png'))) == 5


def test_a_config_without_a_test_set_is_refused(tmp_path):
    config = voc(write_voc(tmp_path / 'voc'), tmp_path / 'work')
    config.test_dataloader = None
    with pytest.raises(ValueError, match='no test_dataloader.dataset'):
        write_test_set(config, tmp_path / 'out')


def test_the_manifest_is_plain_json_of_names_and_checksums(toy, tmp_path):
    write_test_set(str(toy), tmp_path / 'out', corruptions='pixelate', severities=5)
    manifest = json.loads((tmp_path / 'out' / 'manifest.json').read_text())
    keys = ['suite', 'family', 'seed', 'versions', 'checksum', 'images', 'cells', 'sources']
    assert list(manifest) == keys
    (part,) = manifest['cells']
    assert len(manifest['sources']) == 6
    assert (part['corruption'], part['severity'], len(part['checksums'])) == ('pixelate', 5, 6)
    assert (
        all(len(checksum) == 32 for checksum in part['checksums'])
        and 'numpy' in manifest['versions']
    )
