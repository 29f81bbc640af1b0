"""The experiments of the S2AP paper: radii, schedules, and what the arms share."""

from itertools import product
from pathlib import Path

import pytest

pytest.importorskip('mmpretrain')
from mmengine.config import Config

import mmrobustprune.engine  # noqa: F401  knows `mmrobustprune::`
from mmrobustprune.recipes.build import build_recipe

CONFIGS = Path(__file__).parents[2] / 'configs' / 's2ap'
GAMMAS = {
    ('resnet18', 'cifar10'): 0.001,
    ('wrn-28-4', 'cifar10'): 0.001,
    ('vgg16-bn', 'cifar10'): 0.0025,
    ('vit-small-p4', 'cifar10'): 0.0025,
    ('resnet18', 'svhn'): 0.0075,
    ('wrn-28-4', 'svhn'): 0.005,
    ('vgg16-bn', 'svhn'): 0.0025,
    ('vit-small-p4', 'svhn'): 0.0025,
    ('resnet50', 'in1k'): 0.0075,
}
SEARCHES = {path.stem: Config.fromfile(path) for path in sorted(CONFIGS.glob('*_s2ap-*.py'))}


def parts(name):
    net, method, data = name.split('_')
    return net, method.split('-')[1], data


def test_every_network_and_data_set_has_its_radius():
    found = {(parts(name)[0], parts(name)[2]): set() for name in SEARCHES}
    for name, config in SEARCHES.items():
        net, _, data = parts(name)
        found[net, data].add(config.robust_prune.gamma)
    assert found == {pair: {gamma} for pair, gamma in GAMMAS.items()}


@pytest.mark.parametrize('name', SEARCHES)
def test_a_search_starts_from_the_dense_network_that_all_arms_share(name):
    config = SEARCHES[name]
    net, host, data = parts(name)
    recipe = build_recipe(config.robust_prune)
    assert recipe.pretrain == 0 and recipe.warmup == '5 epochs'
    if host == 'rlth':
        assert config.get('load_from') is None and config.train_cfg.max_epochs == 20
        return
    dense = Path(config.load_from)
    base = Config.fromfile(CONFIGS / f'{dense.parent.name}.py')
    assert dense.name == f'epoch_{base.train_cfg.max_epochs}.pth'
    assert dense.parent.name.startswith(f'{net}_') and 'robust_prune' not in base
    assert base.model == config.model
    epochs = dict(in1k=('10 epochs', 35)).get(data, ('20 epochs', 120))
    assert (recipe.search, config.train_cfg.max_epochs) == epochs
    if host == 'harp':
        assert recipe.build_host().growth == (0.1 if data == 'in1k' else 0.01)


@pytest.mark.parametrize('name', SEARCHES)
def test_no_mask_is_chosen_by_the_images_that_test(name):
    config = SEARCHES[name]
    train, val, test = (config[f'{part}_dataloader'].dataset for part in ('train', 'val', 'test'))
    assert train.split == val.split == 'train' and (test.split != 'train')
    assert (train.get('indices'), train.get('held')) != (val.get('indices'), val.get('held'))


def test_channels_are_pruned_by_both_hosts_to_a_quarter_and_a_fifteenth_of_the_flops():
    for net, host, times in product(('resnet18', 'vgg16-bn'), ('harp', 'hydra'), (4, 15)):
        recipe = build_recipe(SEARCHES[f'{net}_s2ap-{host}-channel-{times}x_cifar10'].robust_prune)
        made = recipe.build_host()
        assert made.target == pytest.approx(1 - 1 / times) and made.budget == 'flops'
        assert made.streams == ('tied' if net == 'resnet18' else 'own')


def test_algorithm_1_as_printed():
    recipe = build_recipe(SEARCHES['resnet18_s2ap-hydra-literal-p90_cifar10'].robust_prune)
    rule = recipe.search_rule()
    assert (rule.norm, rule.bound, rule.step, rule.carry) == ('network', 'ball', 'schedule', True)
    assert (recipe.update, recipe.select) == ('normalised', 'loss')
    assert recipe.search_optimizer == dict(lr=0.1, momentum=0, weight_decay=0)
