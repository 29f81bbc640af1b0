"""What a suite keeps: finished cells survive kills, dead workers, full disks and unreadable images."""

import errno
import os
import signal
from contextlib import suppress

import pytest

from mmrobustprune.engine.robustness.model_under_test import ModelUnderTest
from mmrobustprune.engine.robustness.pipeline import Computed
from mmrobustprune.engine.robustness.runner import evaluate_config, evaluate_configs
from mmrobustprune.records.store import CellStore
from tests.engine.robustness.toys import SMALL, save, voc, write_voc
from tests.support.process import run_apart

pytestmark = pytest.mark.usefixtures('steady')


def evaluations(monkeypatch):
    """The passes that are made, as lists of their cells."""
    passes, inner = [], ModelUnderTest.start

    def start(self, part):
        passes.append([(cell.corruption, cell.severity) for cell in part])
        return inner(self, part)

    monkeypatch.setattr(ModelUnderTest, 'start', start)
    return passes


def test_one_of_two_models_that_is_finished_is_not_run_again(
    root, checkpoint, tmp_path, monkeypatch
):
    models = [(voc(root, tmp_path), checkpoint, tmp_path / name) for name in 'ab']
    alone = evaluate_configs(models[:1], SMALL)
    passes = evaluations(monkeypatch)
    both = evaluate_configs(models, SMALL)
    assert len(passes) == 4 and both[0] == alone[0]
    assert {key: both[0][key] for key in ('cells', 'P')} == {
        key: both[1][key] for key in ('cells', 'P')
    }


def test_a_worker_that_dies_is_a_sentence_and_finished_cells_stay(
    root, checkpoint, tmp_path, monkeypatch
):
    inner = Computed.__call__

    def die(self, image, cell, *rest):
        if cell.corruption == 'impulse_noise':
            with suppress(
                FileExistsError
            ):  # one of the two: torch tells of a second one at any later moment
                (tmp_path / 'dead').touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)
        return inner(self, image, cell, *rest)

    with (
        monkeypatch.context() as patch,
        pytest.raises(ValueError, match='one of 2 worker processes died .*start again'),
    ):
        patch.setattr(Computed, '__call__', die)
        evaluate_config(voc(root, tmp_path, workers=2), checkpoint, tmp_path / 'out', SMALL)
    resumed = evaluate_config(voc(root, tmp_path), checkpoint, tmp_path / 'out', SMALL)
    assert resumed == evaluate_config(voc(root, tmp_path), checkpoint, tmp_path / 'whole', SMALL)


def test_a_full_disk_is_a_sentence_and_finished_cells_stay(root, checkpoint, tmp_path, monkeypatch):
    inner = CellStore.write

    def write(self, cell, *rest):
        if cell.corruption == 'impulse_noise':
            raise OSError(errno.ENOSPC, 'No space left on device', 'impulse_noise-3.json')
        return inner(self, cell, *rest)

    with (
        monkeypatch.context() as patch,
        pytest.raises(
            ValueError,
            match=r'impulse_noise-3.json cannot be written \(No space left on device\); 3 finished cells are kept',
        ),
    ):
        patch.setattr(CellStore, 'write', write)
        evaluate_config(voc(root, tmp_path), checkpoint, tmp_path / 'out', SMALL)
    evaluate_config(voc(root, tmp_path), checkpoint, tmp_path / 'out', SMALL)


def test_a_finished_cell_is_never_evaluated_again(root, checkpoint, tmp_path, monkeypatch):
    passes = evaluations(monkeypatch)

    def stop(part, before, cells, done, batches):
        if part[0].corruption == 'jpeg_compression' and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_config(voc(root, tmp_path), checkpoint, tmp_path / 'out', SMALL, stop)
    assert not (tmp_path / 'out' / 'results.json').exists()
    assert len(passes) == 4
    resumed = evaluate_config(voc(root, tmp_path, workers=1), checkpoint, tmp_path / 'out', SMALL)
    assert passes[4:] == [[('jpeg_compression', 3), ('jpeg_compression', 5)]]
    whole = evaluate_config(voc(root, tmp_path), checkpoint, tmp_path / 'whole', SMALL)
    assert resumed == whole
    texts = [(tmp_path / name / 'results.json').read_bytes() for name in ('out', 'whole')]
    assert texts[0] == texts[1]


def test_more_severities_later_add_to_the_cells(root, checkpoint, tmp_path, monkeypatch):
    passes = evaluations(monkeypatch)
    for severities in (3, [1, 3]):
        both = evaluate_config(
            voc(root, tmp_path),
            checkpoint,
            tmp_path,
            dict(corruptions='fog', severities=severities),
        )
    assert passes == [[('clean', 0)], [('fog', 3)], [('fog', 1)]]
    assert len(both['cells']) == 2


def _killed_in_the_second_corruption(root, checkpoint, out):
    def kill(part, before, cells, done, batches):
        if part[0].corruption == 'impulse_noise' and done == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    evaluate_config(voc(root, out), checkpoint, out, SMALL, kill)


def _in_peace(root, checkpoint, out):
    evaluate_config(voc(root, out), checkpoint, out, SMALL)


@pytest.mark.slow
def test_killed_and_started_again_ends_with_the_same_numbers(root, checkpoint, tmp_path):
    out, whole = tmp_path / 'out', tmp_path / 'whole'
    assert run_apart(_killed_in_the_second_corruption, root, checkpoint, out) == -signal.SIGKILL
    done = ('clean-0', 'gaussian_noise-3', 'gaussian_noise-5')
    assert {f'{cell}.{kind}' for cell in done for kind in ('json', 'npz')} | {'run.json'} == set(
        os.listdir(out / 'cells')
    )
    assert run_apart(_in_peace, root, checkpoint, out) == 0
    assert run_apart(_in_peace, root, checkpoint, whole) == 0
    texts = [(path / 'results.json').read_text().splitlines() for path in (out, whole)]
    first, second = [[line for line in text if '"commit"' not in line] for text in texts]
    assert first == second


@pytest.mark.parametrize('what', ['weights', 'seed', 'config', 'suite'])
def test_cells_of_another_run_are_refused(root, checkpoint, tmp_path, what):
    asked = dict(corruptions='fog', severities=3)
    evaluate_config(voc(root, tmp_path), checkpoint, tmp_path / 'out', asked)
    config, other = voc(root, tmp_path), checkpoint
    if what == 'weights':
        other = save(config, tmp_path / 'other.pth', weight=0.3)
    elif what == 'config':
        config.test_evaluator.eval_mode = '11points'
    else:
        asked[what] = dict(seed=1, suite='coco-c')[what]
    with pytest.raises(ValueError, match=f'another run .{what} differ.; give another work dir'):
        evaluate_config(config, other, tmp_path / 'out', asked)


def test_a_copy_of_the_checkpoint_is_the_same_model(root, checkpoint, tmp_path, monkeypatch):
    passes, asked = evaluations(monkeypatch), dict(corruptions='fog', severities=3)
    evaluate_config(voc(root, tmp_path), checkpoint, tmp_path / 'out', asked)
    (tmp_path / 'copy.pth').write_bytes((tmp_path / 'toy.pth').read_bytes())
    evaluate_config(voc(root, tmp_path), tmp_path / 'copy.pth', tmp_path / 'out', asked)
    assert len(passes) == 2


@pytest.mark.parametrize('workers', [0, 1])
def test_an_unreadable_image_is_named_in_one_sentence(tmp_path, workers):
    root = write_voc(tmp_path / 'voc', bad=True)
    config = voc(root, tmp_path, workers=workers)
    checkpoint = save(config, tmp_path / 'toy.pth')
    with pytest.raises(ValueError, match='000004.jpg cannot be read') as error:
        evaluate_config(config, checkpoint, tmp_path / 'out', dict(severities=3))
    assert '\n' not in str(error.value)
    assert os.listdir(tmp_path / 'out' / 'cells') == ['run.json']


def test_unreadable_images_are_counted_and_all_named(tmp_path):
    root = write_voc(tmp_path / 'voc', bad=True)
    (root / 'JPEGImages' / '000001.jpg').unlink()
    config = voc(root, tmp_path)
    with pytest.raises(
        ValueError,
        match=r'2 of 6 images cannot be read: .*000001.jpg \(.*\), .*000004.jpg \(.*\); mend',
    ) as error:
        evaluate_config(
            config, save(config, tmp_path / 'toy.pth'), tmp_path / 'out', dict(severities=3)
        )
    assert '\n' not in str(error.value)
