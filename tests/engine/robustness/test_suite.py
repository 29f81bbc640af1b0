"""A suite from config to results.json: right, the same with any number of workers, models and processes."""

import json
import os
import socket
from multiprocessing.pool import ThreadPool

import numpy as np
import pytest
import torch
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config
from mmengine.registry import TRANSFORMS
from mmengine.runner import Runner

from mmrobustprune.corruption.apply import apply
from mmrobustprune.engine.robustness import suite as robustness
from mmrobustprune.engine.robustness.pipeline import Computed
from mmrobustprune.engine.robustness.runner import (
    CorruptionRunner,
    evaluate_config,
    evaluate_configs,
)
from mmrobustprune.engine.robustness.suite import RobustEval
from tests.engine.robustness.toys import SMALL, arrays, save, voc
from tests.support.process import run_apart

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
    with pytest.raises(
        ValueError,
        match=r"other.pth' are not those of the config's model \(weight is missing\)",
    ):
        evaluate_config(voc(root, tmp_path), tmp_path / 'other.pth', tmp_path / 'out', SMALL)
    torch.save(dict(state_dict=dict(weight=torch.ones(2))), tmp_path / 'wide.pth')
    with pytest.raises(
        ValueError, match=r"wide.pth' are not those of the config's model \(weight is \(2,\)"
    ):
        evaluate_config(voc(root, tmp_path), tmp_path / 'wide.pth', tmp_path / 'out', SMALL)


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
    assert len(loaded) == 6  # sizes are read from the files' headers


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


def test_a_wrong_field_stops_the_runner_before_it_is_built(root, checkpoint, tmp_path):
    config = voc(root, tmp_path / 'out', load_from=checkpoint, robust_eval=dict(suit='voc-c'))
    with pytest.raises(ValueError, match="did you mean 'suite'"):
        CorruptionRunner.from_cfg(config)
    assert not (tmp_path / 'out').exists()
    config.pop('robust_eval')
    with pytest.raises(ValueError, match='needs robust_eval'):
        CorruptionRunner.from_cfg(config)


def test_the_runner_and_the_recipe_do_the_same(root, checkpoint, tmp_path):
    recipe = Config.fromfile('configs/recipes/corruptions.py')
    assert set(recipe.to_dict()) == {'robust_eval'}
    config = voc(
        root, tmp_path / 'a', load_from=checkpoint, robust_eval=dict(recipe.robust_eval, **SMALL)
    )
    by_runner = CorruptionRunner.from_cfg(config).test()
    direct = evaluate_config(voc(root, tmp_path), checkpoint, tmp_path / 'b', SMALL)
    assert by_runner == direct


def test_a_missing_config_or_metric_is_one_sentence(root, checkpoint, tmp_path):
    with pytest.raises(FileNotFoundError, match="config 'no.py' is not there"):
        evaluate_config('no.py', checkpoint, tmp_path)
    with pytest.raises(ValueError, match="metric 'AP' is not evaluated; choose among pascal_voc"):
        evaluate_config(voc(root, tmp_path), checkpoint, tmp_path, dict(metric='AP', severities=3))
    config = voc(root, tmp_path)
    for key in ('test_dataloader', 'test_cfg', 'test_evaluator'):
        config[key] = None
    with pytest.raises(ValueError, match='no test_dataloader'):
        evaluate_config(config, checkpoint, tmp_path)


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


def _one_of_two(rank, port, root, checkpoint, out):
    os.environ.update(
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE='2',
    )
    os.chdir(out)
    evaluate_config(voc(root, out), checkpoint, out, SMALL, launcher='pytorch')


@pytest.mark.slow
def test_two_processes_give_the_same_numbers(root, checkpoint, tmp_path):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    out = tmp_path / 'two'
    out.mkdir()
    with ThreadPool(2) as pool:
        codes = pool.starmap(
            run_apart, [(_one_of_two, rank, port, root, checkpoint, out) for rank in (0, 1)]
        )
    assert codes == [0, 0]
    alone = evaluate_config(voc(root, tmp_path), checkpoint, tmp_path / 'one', SMALL)
    both = json.loads((out / 'results.json').read_text())
    assert both['cells'] == alone['cells'] and both['P'] == alone['P']
