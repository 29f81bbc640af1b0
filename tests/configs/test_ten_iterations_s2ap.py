"""Each recipe of S2AP goes through all its phases in ten iterations, on generated images."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import RUNNERS

import mmrobustprune.engine  # noqa: F401  knows `mmrobustprune::`
from tests.support.searching import searched

CONFIGS = Path(__file__).parents[2] / 'configs' / 's2ap'
SHORT = dict(pretrain=0, search='6 iters', warmup='2 iters', measure=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    'name, target',
    [
        ('resnet18_s2ap-hydra-literal-p90_cifar10', 0.9),
        ('resnet18_s2ap-harp-p90_cifar10', 0.5),
        ('resnet18_s2ap-hydra-channel-4x_cifar10', 0.75),
        ('resnet18_s2ap-harp-channel-4x_cifar10', 0.5),
        ('resnet18_s2ap-rlth-p90_cifar10', 0.9),
    ],
)
def test_a_search_goes_through_all_its_phases(tmp_path, name, target):
    recipe = Config.fromfile(CONFIGS / f'{name}.py').robust_prune.to_dict()
    recipe.update(SHORT, target=target, select=recipe.get('select', 'last'))
    if recipe.get('host', {}).get('form') == 'channel':
        recipe['host'] = dict(recipe['host'], input_shape=(3, 16, 16))
    config = searched(tmp_path, epochs=2, **recipe)
    config.train_dataloader.dataset.length = 40  # five batches of eight, twice
    runner = RUNNERS.build(config)
    runner.train()
    assert runner.iter == 10
    stages = json.loads((tmp_path / 'stages.json').read_text())
    assert [(one['stage'], one['iteration']) for one in stages] == [('search', 0), ('finetune', 6)]
    assert (tmp_path / 'masks.npz').is_file() and (tmp_path / 'mask' / 'scores.pth').is_file()
    fewer = json.loads((tmp_path / 'sparsity.json').read_text()).get('fewer')
    if 'channel' in name:
        assert fewer['flops_of_mask'] == pytest.approx(fewer['macs_of_slim'], rel=0.03)
