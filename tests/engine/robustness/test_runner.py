"""Suites by the Runner, by its config and on two processes."""

import copy
import json
import os
import socket
from multiprocessing.pool import ThreadPool

import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import dump
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner

from mmrobustprune.attack import FGSM
from mmrobustprune.engine.attacks.evaluate import evaluate_attacks
from mmrobustprune.engine.robustness.runner import (
    CorruptionRunner,
    evaluate_config,
)
from tests.engine.robustness.toys import SMALL, voc
from tests.support.classifier import write_config, write_pictures
from tests.support.process import run_apart

pytestmark = pytest.mark.usefixtures('steady')


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


@pytest.fixture
def tasks(tmp_path):
    """Config and checkpoint of a network with two heads, on a data set that keeps a list alone."""
    data = write_pictures(tmp_path / 'data', 6, 'abc')
    config = Config.fromfile(write_config(tmp_path, data))
    heads = dict(colour=dict(type='LinearClsHead', num_classes=4))
    heads['form'] = dict(type='LinearClsHead', num_classes=2)
    config.model.head = dict(type='MultiTaskHead', task_heads=heads, in_channels=64)
    listed = []
    for index, path in enumerate(sorted(data.rglob('*.png'))):
        labels = dict(colour=index % 4, form=index % 2)
        listed.append(dict(img_path=str(path), gt_label=labels))
    names = [dict(name='colour'), dict(name='form')]
    dump(dict(metainfo=dict(tasks=names), data_list=listed), tmp_path / 'tasks.json')
    packing = dict(type='PackMultiTaskInputs', multi_task_fields=['gt_label'])
    config.test_dataloader.dataset = dict(
        type='MultiTaskDataset',
        ann_file=str(tmp_path / 'tasks.json'),
        pipeline=[dict(type='LoadImageFromFile'), packing],
    )
    one = [dict(type='Accuracy', topk=(1,))]
    config.test_evaluator = dict(type='MultiTasksMetric', task_metrics=dict(colour=one, form=one))
    config.log_level = 'WARNING'
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / 'tasks.pth')
    return config, tmp_path / 'tasks.pth'


def test_a_multi_task_network_is_evaluated_task_by_task(tasks, tmp_path):
    config, checkpoint = tasks
    asked = dict(corruptions='gaussian_noise', severities=[5], workers=0)
    found = evaluate_config(config, checkpoint, tmp_path / 'out', asked)
    assert found['suite'] == 'imagenet-c-at-32' and found['metric'] == 'colour_accuracy/top1'
    stock = copy.deepcopy(config)
    stock.update(load_from=str(checkpoint), work_dir=str(tmp_path / 'stock'))
    stock.test_dataloader.collate_fn = dict(type='default_collate')
    assert found['clean'] == Runner.from_cfg(stock).test()
    of_form = dict(asked, metric='form_accuracy/top1')
    assert evaluate_config(config, checkpoint, tmp_path / 'form', of_form)['P'] in (50, 100 / 3)


def test_a_multi_task_network_is_not_attacked_in_one_sentence(tasks, tmp_path):
    config, checkpoint = tasks
    with pytest.raises(ValueError, match='no label or several') as error:
        evaluate_attacks(config, checkpoint, tmp_path / 'out', [FGSM(eps=0.1)])
    assert '\n' not in str(error.value)
