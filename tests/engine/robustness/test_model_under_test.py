"""What a model keeps of a suite: finished cells survive kills, full disks and unreadable images."""

import errno
import json
import os
import shutil
import signal
from contextlib import suppress

import cv2
import numpy as np
import pytest
import torch

from mmrobustprune.engine.robustness import suite as robustness
from mmrobustprune.engine.robustness.model_under_test import ModelUnderTest
from mmrobustprune.engine.robustness.pipeline import Computed
from mmrobustprune.engine.robustness.runner import (
    CorruptionRunner,
    evaluate_config,
    evaluate_configs,
)
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
            match=r'impulse_noise-3.json cannot be written \(No space left on device\); '
            '3 finished cells are kept',
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


def test_cells_of_an_image_that_was_replaced_since_are_refused(tmp_path):
    root = write_voc(tmp_path / 'voc')
    checkpoint = save(voc(root, tmp_path), tmp_path / 'toy.pth')
    asked = dict(corruptions='fog', severities=3)
    evaluate_config(voc(root, tmp_path), checkpoint, tmp_path / 'out', asked)
    image = root / 'JPEGImages' / '000002.jpg'
    cv2.imwrite(str(image), cv2.imread(str(image)), [cv2.IMWRITE_JPEG_QUALITY, 60])
    with pytest.raises(ValueError, match='another run .data differ.; give another work dir'):
        evaluate_config(voc(root, tmp_path), checkpoint, tmp_path / 'out', asked)


def coco_file(root):
    """The boxes of `write_voc` as an annotation file of COCO."""
    boxes = [(1, [5, 6, 25, 23]), (2, [31, 8, 15, 24])]
    content = dict(images=[], annotations=[], categories=[])
    for image in sorted((root / 'JPEGImages').iterdir()):
        content['images'].append(dict(id=image.stem, file_name=image.name, height=90, width=90))
        for category, box in boxes:
            one = dict(image_id=image.stem, category_id=category, bbox=box, iscrowd=0)
            number = len(content['annotations']) + 1
            content['annotations'].append(dict(one, id=number, area=box[2] * box[3]))
    content['categories'] = [dict(id=1, name='cat'), dict(id=2, name='dog')]
    path = root / 'coco.json'
    path.write_text(json.dumps(content))
    return path


def test_cells_of_other_annotations_of_the_evaluator_are_refused(root, checkpoint, tmp_path):
    """CocoMetric may read a file of its own, which the data set does not know."""
    truth = tmp_path / 'truth.json'
    shutil.copy(coco_file(root), truth)
    config = voc(root, tmp_path)
    config.test_evaluator = dict(type='CocoMetric', metric='bbox', ann_file=str(truth))
    asked = dict(corruptions='fog', severities=3)
    evaluate_config(config, checkpoint, tmp_path / 'out', asked)
    truth.write_text(truth.read_text().replace('"area": 575', '"area": 576'))
    with pytest.raises(ValueError, match='another run .annotations differ.'):
        evaluate_config(config, checkpoint, tmp_path / 'out', asked)


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


def test_cells_of_another_metric_are_evaluated_again(root, checkpoint, tmp_path):
    """Their classes and evidence are of the metric that was asked for then."""
    few = dict(corruptions=['impulse_noise'], severities=[3])
    config = voc(root, tmp_path)
    config.test_evaluator.iou_thrs = [0.5, 0.75]
    with pytest.raises(
        ValueError,
        match="metric 'AP50' is not evaluated; choose among pascal_voc/mAP, pascal_voc/AP50",
    ):
        evaluate_config(config, checkpoint, tmp_path / 'out', dict(few, metric='AP50'))
    found = {
        metric: evaluate_config(config, checkpoint, tmp_path / 'out', dict(few, metric=metric))
        for metric in ('pascal_voc/AP50', 'pascal_voc/AP75')
    }
    for metric, results in found.items():
        for cell in results['cells']:
            assert np.mean(list(cell['per_class'].values())) == pytest.approx(cell[metric])
        alone = evaluate_config(
            config, checkpoint, tmp_path / metric.replace('/', '-'), dict(few, metric=metric)
        )
        assert (
            alone['cells'] == results['cells']
            and alone['clean_per_class'] == results['clean_per_class']
        )


def test_a_metric_that_only_formats_gives_no_zero(root, checkpoint, tmp_path):
    config = voc(root, tmp_path)
    config.test_evaluator.update(
        type='CocoMetric', ann_file=None, format_only=True, outfile_prefix=str(tmp_path / 'x')
    )
    for key in set(config.test_evaluator) - {
        'type',
        'ann_file',
        'format_only',
        'outfile_prefix',
        '_scope_',
    }:
        config.test_evaluator.pop(key)
    with pytest.raises(ValueError, match='CocoMetric has format_only=True and gives no number'):
        evaluate_config(config, checkpoint, tmp_path / 'out', SMALL)


def test_weights_of_another_network_are_refused(root, checkpoint, tmp_path):
    torch.save(dict(state_dict=dict(other=torch.ones(1))), tmp_path / 'other.pth')
    said = r"other.pth' are not those of the config's model \(weight is missing\)"
    with pytest.raises(ValueError, match=said):
        evaluate_config(voc(root, tmp_path), tmp_path / 'other.pth', tmp_path / 'out', SMALL)
    torch.save(dict(state_dict=dict(weight=torch.ones(2))), tmp_path / 'wide.pth')
    said = r"wide.pth' are not those of the config's model \(weight is \(2,\)"
    with pytest.raises(ValueError, match=said):
        evaluate_config(voc(root, tmp_path), tmp_path / 'wide.pth', tmp_path / 'out', SMALL)


def test_hooks_loop_and_generators_are_as_they_were_after_an_error(root, checkpoint, tmp_path):
    runner = CorruptionRunner.from_cfg(
        voc(root, tmp_path, load_from=checkpoint, robust_eval=dict(severities=3))
    )
    hooks, loop = list(runner.hooks), runner.test_loop
    evaluator, pipeline = loop.evaluator, loop.dataloader.dataset.pipeline

    def stop(part, *rest):
        if part[0].corruption != 'clean':
            raise KeyboardInterrupt

    np.random.seed(4)
    expected = np.random.RandomState(4).random()
    with pytest.raises(KeyboardInterrupt):
        robustness.run_suite(runner, runner.cfg.robust_eval, stop)
    assert runner.hooks == hooks and loop.evaluator is evaluator
    assert loop.dataloader.dataset.pipeline is pipeline
    assert np.random.random() == expected
