"""A suite from config to results.json: right, the same with any number of workers and models."""

import json
import shutil

import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmengine.registry import MODELS, TRANSFORMS
from mmengine.runner import Runner

from mmrobustprune.corruption import get_suite
from mmrobustprune.corruption.apply import apply
from mmrobustprune.engine.robustness.pipeline import Computed
from mmrobustprune.engine.robustness.runner import (
    evaluate_config,
    evaluate_configs,
)
from mmrobustprune.engine.robustness.suite import RobustEval
from tests.engine.robustness.toys import SMALL, PixelDetector, arrays, rgb, save, voc

pytestmark = pytest.mark.usefixtures('steady')


@TRANSFORMS.register_module(force=True)
class CorruptTheObviousWay:
    """One corruption in the loading pipeline, as people do it by hand."""

    def __init__(self, corruption, severity):
        self.cell = corruption, severity

    def __call__(self, results):
        image = np.ascontiguousarray(results['img'][..., ::-1])
        results['img'] = np.ascontiguousarray(apply(image, *self.cell)[..., ::-1])
        return results


def stock_test(config, checkpoint):
    config.load_from = checkpoint
    return Runner.from_cfg(config).test()


def test_a_detector_end_to_end(root, checkpoint, tmp_path):
    results = evaluate_config(voc(root, tmp_path), checkpoint, tmp_path / 'out', SMALL)
    assert json.loads((tmp_path / 'out' / 'results.json').read_text()) == results
    assert results['suite'] == 'voc-c' and results['metric'] == 'pascal_voc/AP50'
    assert results['severities'] == [3, 5] and results['corruptions'] == SMALL['corruptions']
    cells = results['cells']
    assert [(c['corruption'], c['severity']) for c in cells] == [
        (name, level) for name in SMALL['corruptions'] for level in (3, 5)
    ]
    values = [cell['pascal_voc/AP50'] for cell in cells]
    assert values == [cell['pascal_voc/mAP'] for cell in cells]  # both unrounded
    assert [np.mean(list(cell['per_class'].values())) for cell in cells] == pytest.approx(values)
    assert set(results['per_class']) == {'cat', 'dog'} and results['per_class']['cat']['P'] == 1
    assert 0 < np.mean(values) < 1 == results['P']
    assert results['mPC'] == pytest.approx(np.mean(values), abs=1e-15)
    assert results['rPC'] == results['R_C'] == results['mPC'] / results['P']
    assert results['seed'] == 0 and results['images'] == 6 and results['device'] == 'cpu'
    assert {'mmrobustprune', 'torch', 'mmdet'} <= set(results['versions'])
    assert 'commit' in results and results['command']


def test_same_numbers_as_the_obvious_way(root, checkpoint, tmp_path):
    """A stock test pass, clean and with the corruption put into the loading pipeline by hand."""
    results = evaluate_config(voc(root, tmp_path), checkpoint, tmp_path / 'out', SMALL)
    clean = stock_test(voc(root, tmp_path / 'clean'), checkpoint)
    assert clean['pascal_voc/mAP'] == results['P']
    for cell in results['cells'][:3]:
        config = voc(root, tmp_path / 'cell')
        config.test_dataloader.dataset.pipeline.insert(
            1,
            dict(
                type='CorruptTheObviousWay',
                corruption=cell['corruption'],
                severity=cell['severity'],
            ),
        )
        assert stock_test(config, checkpoint)['pascal_voc/mAP'] == cell['pascal_voc/mAP']


def test_same_file_with_any_number_of_workers_and_in_any_order(root, checkpoint, tmp_path):
    alone = evaluate_config(voc(root, tmp_path), checkpoint, tmp_path / 'a', SMALL)
    more = evaluate_config(
        voc(root, tmp_path, workers=2),
        checkpoint,
        tmp_path / 'b',
        dict(SMALL, corruptions=SMALL['corruptions'][::-1]),
    )
    assert alone == more
    batch = evaluate_config(voc(root, tmp_path, batch=3), checkpoint, tmp_path / 'c', SMALL)
    assert batch['cells'] == alone['cells']


def test_another_seed_gives_other_noise(root, checkpoint, tmp_path):
    asked = dict(corruptions=['elastic_transform', 'jpeg_compression'], severities=5)
    zero, one = [
        evaluate_config(
            voc(root, tmp_path), checkpoint, tmp_path / str(seed), dict(asked, seed=seed)
        )['cells']
        for seed in (0, 1)
    ]
    assert zero[0] != one[0] and zero[1] == one[1]  # JPEG draws nothing


def test_three_models_in_one_call_are_each_as_alone_and_share_every_corrupted_image(
    root, tmp_path, monkeypatch
):
    made, inner = [], Computed.__call__

    def count(self, image, cell, *rest):
        made.append(cell)
        return inner(self, image, cell, *rest)

    monkeypatch.setattr(Computed, '__call__', count)
    weights = dict(a=0.1, b=0.2, c=0.3)
    files = {
        name: save(voc(root, tmp_path), tmp_path / f'{name}.pth', weight=value)
        for name, value in weights.items()
    }
    other = voc(root, tmp_path)  # another pipeline over the same images
    other.test_dataloader.dataset.pipeline.insert(
        1, dict(type='Resize', scale=(100, 100), keep_ratio=False)
    )
    configs = dict(a=voc(root, tmp_path), b=voc(root, tmp_path), c=other)
    together = evaluate_configs(
        [(configs[name], files[name], tmp_path / name) for name in weights], SMALL
    )
    assert len(made) == 6 * len(together[0]['cells'])
    for name, results in zip(weights, together, strict=True):
        alone = evaluate_config(configs[name], files[name], tmp_path / f'{name}-alone', SMALL)
        assert results == alone
    assert len({results['mPC'] for results in together}) == 3


@MODELS.register_module(force=True)
class PaddedDetector(PixelDetector):
    """Its boxes depend on the width that the batch is padded to, as those of real ones do."""

    def _find(self, image, sample):
        sample = super()._find(image, sample)
        sample.pred_instances.bboxes += 10 * (image.shape[-1] > 100)
        return sample


def test_models_of_other_batch_sizes_get_their_own_batches(root, tmp_path):
    """One image is wider than 100 pixels: 1, 2 or 3 stand with it in a batch."""
    configs = {}
    for name, batch in dict(a=2, b=3, c=1).items():
        configs[name] = voc(root, tmp_path, batch=batch)
        configs[name].model.type = 'PaddedDetector'
    file = save(configs['a'], tmp_path / 'toy.pth')
    asked = dict(corruptions='shot_noise', severities=[3])
    together = evaluate_configs(
        [(config, file, tmp_path / name) for name, config in configs.items()], asked
    )
    for (name, config), results in zip(configs.items(), together, strict=True):
        assert results == evaluate_config(config, file, tmp_path / f'{name}-alone', asked)
    assert len({results['P'] for results in together}) == 3


def test_equal_names_and_boxes_on_other_pixels_are_other_images(root, tmp_path):
    copy = shutil.copytree(root, tmp_path / 'copy' / root.name)
    file = save(voc(root, tmp_path), tmp_path / 'toy.pth')
    asked = dict(corruptions='fog', severities=3)
    models = [
        (voc(root, tmp_path), file, tmp_path / 'a'),
        (voc(copy, tmp_path), file, tmp_path / 'b'),
    ]
    first, second = evaluate_configs(models, asked)
    assert first['data'] == second['data']
    image = copy / 'JPEGImages' / '000002.jpg'
    cv2.imwrite(str(image), cv2.imread(str(image)), [cv2.IMWRITE_JPEG_QUALITY, 60])
    with pytest.raises(
        ValueError, match='.6 and 6 images; 1 differ, JPEGImages/000002.jpg is the first'
    ):
        evaluate_configs(models, asked)


def test_models_tested_on_different_images_are_refused(root, tmp_path):
    config, fewer = voc(root, tmp_path), voc(root, tmp_path)
    fewer.test_dataloader.dataset.indices = 4
    file = save(config, tmp_path / 'toy.pth')
    with pytest.raises(
        ValueError,
        match=r'a and b are tested on different images or annotations \(6 and 4 images\)',
    ):
        evaluate_configs([(config, file, tmp_path / 'a'), (fewer, file, tmp_path / 'b')], SMALL)
    with pytest.raises(ValueError, match='2 models share 1 work dirs'):
        evaluate_configs([(config, file, tmp_path / 'a')] * 2, SMALL)


def test_an_image_is_decoded_once_for_all_corruptions(root, checkpoint, tmp_path, monkeypatch):
    loaded, inner = [], LoadImageFromFile.transform

    def count(self, data):
        loaded.append(data['img_path'])
        return inner(self, data)

    monkeypatch.setattr(LoadImageFromFile, 'transform', count)
    evaluate_config(voc(root, tmp_path), checkpoint, tmp_path / 'out', SMALL)
    assert len(loaded) == 6


@pytest.mark.parametrize(
    'wrapper, images',
    [
        (lambda data: dict(type='ConcatDataset', datasets=[data, data]), 12),
        (lambda data: dict(type='RepeatDataset', dataset=data, times=2), 12),
        (
            lambda data: dict(
                type='RepeatDataset', times=1, dataset=dict(type='ConcatDataset', datasets=[data])
            ),
            6,
        ),
    ],
)
def test_wrapped_data_sets_are_corrupted(root, checkpoint, tmp_path, wrapper, images):
    asked = dict(corruptions='shot_noise', severities=5)
    plain = evaluate_config(voc(root, tmp_path), checkpoint, tmp_path / 'plain', asked)
    config = voc(root, tmp_path)
    config.test_dataloader.dataset = wrapper(config.test_dataloader.dataset)
    wrapped = evaluate_config(config, checkpoint, tmp_path / 'wrapped', asked)
    assert wrapped['images'] == images
    assert wrapped['cells'][0]['pascal_voc/AP50'] < 1
    if images == 6:
        assert wrapped['cells'] == plain['cells']


def test_coco_evaluation_is_unrounded_too(root, checkpoint, tmp_path):
    config = voc(root, tmp_path)
    config.test_dataloader.dataset.pipeline[-1].meta_keys += ('instances',)
    config.test_evaluator = dict(type='CocoMetric', metric='bbox')
    results = evaluate_config(
        config, checkpoint, tmp_path / 'out', dict(corruptions='shot_noise', severities=[3, 4, 5])
    )
    assert results['suite'] == 'coco-c' and results['metric'] == 'coco/bbox_mAP'
    values = [cell['coco/bbox_mAP'] for cell in results['cells']]
    assert any(round(value, 3) != value for value in values)


@pytest.mark.parametrize('workers', [0, 2])
def test_arrays_without_a_loading_transform(tmp_path, workers):
    config = arrays(tmp_path, workers=workers)
    results = evaluate_config(
        config,
        save(config, tmp_path / 'toy.pth'),
        tmp_path / 'out',
        dict(corruptions=['fog', 'gaussian_noise'], severities=[1, 5]),
    )
    assert results['suite'] == 'imagenet-c-at-32' and results['metric'] == 'accuracy/top1'
    assert 0 < results['mPC'] < results['P'] <= 100
    assert 'cifar' not in json.dumps(results).lower().replace(str(tmp_path).lower(), '')


def test_32_pixels_are_never_called_imagenet_c_or_cifar_c(tmp_path):
    config = arrays(tmp_path)
    checkpoint = save(config, tmp_path / 'toy.pth')
    for suite in ('imagenet-c', 'cifar-c'):
        with pytest.raises(ValueError, match='imagenet-c-at-32'):
            evaluate_config(config, checkpoint, tmp_path / 'out', dict(suite=suite))
    config = arrays(tmp_path, size=48)
    with pytest.raises(ValueError, match='48x48'):
        evaluate_config(config, checkpoint, tmp_path / 'out', dict(suite='imagenet-c-at-32'))


@pytest.mark.parametrize(
    'asked, against',
    [
        (dict(), 'alexnet'),
        (dict(corruptions='all', severities=[5, 4, 3, 2, 1]), 'alexnet'),
        (dict(corruptions=['noise', 'blur', 'weather', 'digital']), 'alexnet'),
        (dict(corruptions=['noise', 'blur', 'weather']), None),
        (dict(corruptions='all', severities=[1, 2, 3, 4]), None),
    ],
)
def test_mce_is_implied_by_the_cells_and_not_by_how_they_were_named(asked, against):
    options = RobustEval.from_config(dict(asked, suite='imagenet-c'))
    found = options.mce(get_suite('imagenet-c'))
    assert (found and found.name) == against
    assert options.mce(get_suite('voc-c')) is None


@pytest.mark.parametrize('tiny, suite', [(5, 'imagenet-c-at-32'), (3, 'imagenet-c-uncropped')])
def test_a_set_of_mixed_sizes_goes_by_the_larger_part(tmp_path, tiny, suite):
    """Three images of 48 pixels, the first of all images of the other size."""
    other = 'imagenet-c-uncropped' if suite == 'imagenet-c-at-32' else 'imagenet-c-at-32'
    for index in range(tiny + 3):
        side = 48 if index >= tiny else 32
        path = tmp_path / 'data' / 'abc'[index % 3] / f'{index}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rgb(side, side, index))
    config = arrays(tmp_path)
    loading = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(32, 32))]
    config.test_dataloader.dataset = dict(
        type='CustomDataset', data_root=str(tmp_path / 'data'), data_prefix=''
    )
    config.test_dataloader.dataset.pipeline = [*loading, dict(type='PackInputs')]
    checkpoint = save(config, tmp_path / 'toy.pth')
    asked = dict(corruptions='gaussian_blur', severities=1)
    results = evaluate_config(config, checkpoint, tmp_path / 'auto', asked)
    assert results['suite'] == suite
    named = evaluate_config(config, checkpoint, tmp_path / 'named', dict(asked, suite=suite))
    assert named['cells'] == results['cells']
    if tiny == 5:
        with pytest.raises(ValueError, match='5 of 8 images do not go with the suite: .*32x32'):
            evaluate_config(config, checkpoint, tmp_path / 'other', dict(asked, suite=other))


@pytest.mark.parametrize(
    'options, error, sentence',
    [
        (
            dict(severity=3),
            ValueError,
            "unknown field of robust_eval 'severity' .did you mean 'severities'",
        ),
        (dict(suite='vocc'), ValueError, "did you mean 'voc-c'"),
        (dict(corruptions=['snw']), ValueError, "did you mean 'snow'"),
        (dict(severities=[7]), ValueError, 'severity 7'),
        (dict(seed='a'), ValueError, 'robust_eval.seed'),
        ([3], TypeError, 'give a dict'),
    ],
)
def test_a_wrong_field_is_said_before_anything_is_built(options, error, sentence):
    with pytest.raises(error, match=sentence):
        RobustEval.from_config(options)


def test_progress_knows_the_pass_and_the_run(root, checkpoint, tmp_path):
    told = []
    evaluate_config(
        voc(root, tmp_path),
        checkpoint,
        tmp_path,
        dict(corruptions='fog', severities=[1, 2]),
        lambda part, *numbers: told.append((part[0].corruption, len(part), *numbers)),
    )
    assert told == [('clean', 1, 0, 3, done, 3) for done in range(4)] + [
        ('fog', 2, 1, 3, done, 3) for done in range(4)
    ]
