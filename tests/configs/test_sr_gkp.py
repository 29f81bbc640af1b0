"""SR-GKP's experiments: rates, schedules, and sizes as the paper prints them."""

from pathlib import Path

import pytest

pytest.importorskip('mmpretrain')
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

import mmrobustprune.engine  # noqa: F401  knows `mmrobustprune::`
from mmrobustprune.cost.count import RULES, count
from mmrobustprune.engine.bridge.model import example_of_shape, tensor_forward
from mmrobustprune.engine.grouped.prune import outside
from mmrobustprune.grouped_kernels.layers import check_ratio, choose_layers
from mmrobustprune.models.pruned import without_pretrained
from mmrobustprune.recipes import build_recipe

CONFIGS = Path(__file__).parents[2] / 'configs' / 'sr_gkp'
EPOCHS = {300: [100, 200], 100: [30, 60, 90]}
RUNS = {  # name -> rate, images a step, epochs, weight decay
    'resnet32_1xb64-sr-gkp-p44_cifar10': (0.4375, 64, 300, 5e-4),
    'resnet32_1xb64-sr-gkp-p62_cifar10': (0.625, 64, 300, 5e-4),
    'resnet56_1xb64-sr-gkp-p44_cifar10': (0.4375, 64, 300, 5e-4),
    'resnet56_1xb64-sr-gkp-p62_cifar10': (0.625, 64, 300, 5e-4),
    'resnet56_1xb64-tmi-gkp-p44_cifar10': (0.4375, 64, 300, 5e-4),
    'resnet110_1xb64-sr-gkp-p44_cifar10': (0.4375, 64, 300, 5e-4),
    'resnet110_1xb64-sr-gkp-p62_cifar10': (0.625, 64, 300, 5e-4),
    'vgg16-bn_1xb64-sr-gkp-p44_cifar10': (0.4375, 64, 300, 5e-4),
    'resnet56_1xb128-sr-gkp-p37_tiny-imagenet': (0.375, 128, 100, 5e-4),
    'resnet101_1xb128-sr-gkp-p87_tiny-imagenet': (0.875, 128, 100, 1e-4),
    'resnet50_8xb32-sr-gkp-p75_in1k': (0.75, 8 * 32, 100, 1e-4),
}


@pytest.mark.parametrize('name', RUNS)
def test_rate_and_schedule(name):
    rate, batch, epochs, decay = RUNS[name]
    config = Config.fromfile(CONFIGS / f'{name}.py')
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ('SGD', 0.01, decay)
    steps = config.param_scheduler
    steps = steps if isinstance(steps, dict) else steps[0]
    assert (steps.milestones, steps.gamma) == (EPOCHS[epochs], 0.1)
    gpus = int(name.partition('_')[2].partition('x')[0])
    assert (config.train_cfg.max_epochs, gpus * config.train_dataloader.batch_size) == (
        epochs,
        batch,
    )
    assert build_recipe(config.robust_prune).target == rate


def test_every_pruned_experiment_is_listed():
    found = {file.stem for file in CONFIGS.glob('*gkp-p*.py')}
    assert found == set(RUNS)


@pytest.mark.parametrize(
    'name, side, params, macs',  # millions, as printed
    [
        ('resnet32_1xb64-sr-gkp-p44_cifar10', 32, 0.263, 39.545),
        pytest.param(
            'resnet56_1xb64-sr-gkp-p44_cifar10', 32, 0.482, 71.855, marks=pytest.mark.slow
        ),
        pytest.param(
            'vgg16-bn_1xb64-sr-gkp-p44_cifar10', 32, 8.293, 178.184, marks=pytest.mark.slow
        ),
        pytest.param(
            'resnet50_8xb32-sr-gkp-p75_in1k', 224, 17.069, 2725.954, marks=pytest.mark.slow
        ),
    ],
)
def test_the_layers_that_the_recipe_chooses_give_the_printed_sizes(name, side, params, macs):
    config = Config.fromfile(CONFIGS / f'{name}.py')
    recipe = build_recipe(config.robust_prune)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        model = MODELS.build(without_pretrained(config.model))
    for value in model.parameters():
        if value.requires_grad:
            value.data.fill_(1)  # zeros would not count
    others = outside(model, recipe.part, recipe.layers)
    chosen = choose_layers(model, recipe.layers, others)
    kept = check_ratio(chosen, recipe.target)
    rules = {'vgg16': 'sr-gkp-vgg', 'resnet50': 'sr-gkp-imagenet'}
    rule = RULES[rules.get(name.partition('_')[0].partition('-')[0], 'sr-gkp')][1]
    example = example_of_shape(model, side, side)
    cost = count(model, example, tensor_forward, rule, kept)
    assert abs(cost.params / 1e6 - params) <= 0.0005 and abs(cost.macs / 1e6 - macs) <= 0.0005
