"""Recipes as one more base; the largest of the experiments goes through all phases."""

import copy
import json
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import RUNNERS

import mmrobustprune.engine  # noqa: F401  knows `mmrobustprune::`
from mmrobustprune.models.pruned import without_pretrained
from mmrobustprune.recipes.build import build_recipe
from tests.support.tiny import quick

CONFIGS = Path(__file__).parents[2] / 'configs'


def test_every_recipe_that_is_one_more_base_is_valid():
    """Experiments are built in test_build.py."""
    for path in sorted((CONFIGS / 'recipes').glob('*.py')):
        config = Config.fromfile(path)
        if 'robust_prune' in config:
            build_recipe(config.robust_prune)
            assert config.runner_type == 'mmrobustprune.PruneRunner'


@pytest.mark.parametrize('name', ['adasap', 'magnitude', 'taylor'])
def test_a_recipe_as_one_more_base(tmp_path, name):
    (tmp_path / 'user.py').write_text(
        f"_base_ = ['mmdet::ssd/ssd300_coco.py', 'mmrobustprune::recipes/{name}.py']\n"
        'robust_prune = dict(target=0.3)\n'
    )
    config = Config.fromfile(tmp_path / 'user.py')
    assert (
        build_recipe(config.robust_prune).target == 0.3
        and config.model.type == 'SingleStageDetector'
    )


def on_shapes(config, folder, batch):
    """The same experiment on a few generated pictures."""
    config = copy.deepcopy(config)
    for name in ('train', 'test'):
        loader = config[f'{name}_dataloader']
        loader.update(batch_size=batch, num_workers=0, persistent_workers=False)
        leaf = loader.dataset
        while 'dataset' in leaf or 'datasets' in leaf:
            leaf = leaf['dataset'] if 'dataset' in leaf else leaf['datasets'][0]
        loader.dataset = dict(
            type='mmrobustprune.ShapesDataset',
            data_root=str(folder / 'shapes'),
            generate=dict(train=6, test=2, size=96),
            ann_file=f'ImageSets/Main/{name}.txt',
            data_prefix=dict(sub_data_root=''),
            pipeline=leaf.pipeline,
            test_mode=name == 'test',
        )
    config.model = without_pretrained(config.model)
    config.model['bbox_head']['num_classes'] = 5
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    config.work_dir = str(folder / 'work')
    config.load_from = None
    config.log_level = 'WARNING'
    return quick(config.to_dict())


@pytest.mark.slow
@pytest.mark.parametrize('name', ['ssd512_adasap-p50_voc0712', 'ssd512_r50-adasap-p50_voc0712'])
def test_ssd512_on_voc_goes_through_all_phases(tmp_path, name):
    config = on_shapes(Config.fromfile(CONFIGS / 'adasap' / f'{name}.py'), tmp_path, batch=1)
    config.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
    config.robust_prune.update(warmup='1 iters', rounds=2, interval=1, measure=False)
    config.robust_prune.pop('prune', None)
    runner = RUNNERS.build(config)
    dense = sum(p.numel() for p in runner.model.parameters())
    runner.train()
    kept = sum(p.numel() for p in runner.model.parameters())
    assert 0.5 <= 1 - kept / dense <= 0.51
    last = json.loads((tmp_path / 'work' / 'rounds.json').read_text())[-1]
    assert last['round'] == 2 and last['loss_after'] > 0
    assert (tmp_path / 'work' / 'pruned.pth').exists()


@pytest.mark.slow
def test_ssd512_with_resnet50_learns(tmp_path):
    """Fresh weights and one picture at a time, so a smaller learning rate, and no warm-up."""
    config = on_shapes(
        Config.fromfile(CONFIGS / 'adasap' / 'ssd512_r50_voc0712.py'), tmp_path, batch=1
    )
    config.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2)
    config.param_scheduler = None
    config.optim_wrapper.optimizer.lr = 3e-4
    config.randomness = dict(seed=0)
    runner = RUNNERS.build(config)
    runner.train()
    losses = runner.message_hub.get_scalar('train/loss').data[0]
    assert len(losses) == 12 and losses[-4:].mean() < 0.8 * losses[:2].mean(), losses
    assert (
        runner.model.neck.l2_norm.weight > 10
    ).all()  # 20 at the start; mmdet leaves it to init_weights
