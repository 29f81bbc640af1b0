"""What every experiment describes can be made: network, optimizer, pipelines, data, metrics."""

import json
from pathlib import Path

import pytest

pytest.importorskip('mmdet')
pytest.importorskip('mmpretrain')
from mmengine import registry
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

import mmrobustprune.engine  # noqa: F401  knows `mmrobustprune::`
from mmrobustprune.models.pruned import without_pretrained
from mmrobustprune.recipes.build import build_recipe

CONFIGS = Path(__file__).parents[2] / 'configs'
EXPERIMENTS = [
    path
    for path in sorted(CONFIGS.rglob('*.py'))
    if not {'_base_', '__pycache__', 'comparisons', 'recipes'} & {*path.relative_to(CONFIGS).parts}
]


def nested(config):
    """A config and every dict inside it."""
    if isinstance(config, dict):
        yield config
    for value in (
        config.values()
        if isinstance(config, dict)
        else config
        if isinstance(config, (list, tuple))
        else ()
    ):
        yield from nested(value)


@pytest.fixture(scope='module')
def built():
    """Parts by their description: many experiments share theirs."""
    return {}


def once(built, kind, config):
    key = kind.name + json.dumps(config, sort_keys=True, default=str)
    if key not in built:
        built[key] = kind.build(config)
    return built[key]


@pytest.mark.parametrize('path', EXPERIMENTS, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_every_experiment_builds(path, built):
    config = Config.fromfile(path)
    if 'robust_prune' in config:
        build_recipe(config.robust_prune)
        assert config.runner_type == 'mmrobustprune.PruneRunner'
        if path.match('adasap/*_8xb128-*_in1k.py'):  # every arm starts from our own dense network
            dense = path.name.partition('_')[0] + '_8xb128-90e_in1k'
            assert config.load_from == f'work_dirs/{dense}/epoch_90.pth'
            assert (path.parent / f'{dense}.py').exists()
    with registry.DefaultScope.overwrite_default_scope(config.default_scope):
        architecture = without_pretrained(config.model)
        if 'data_preprocessor' in config:
            architecture.setdefault('data_preprocessor', config.data_preprocessor)
        model = once(built, registry.MODELS, architecture)
        build_optim_wrapper(model, config.optim_wrapper)
        schedulers = config.param_scheduler
        assert all(
            registry.PARAM_SCHEDULERS.get(part['type'])
            for part in ([schedulers] if isinstance(schedulers, dict) else schedulers)
        )
        for part in ('train', 'val', 'test'):
            for data in nested(config[f'{part}_dataloader'].dataset):
                if {'pipeline', 'dataset', 'datasets'} & {*data}:
                    with registry.DATASETS.switch_scope_and_registry(None) as datasets:
                        assert datasets.get(data['type']) is not None, data['type']
                for step in data.get('pipeline', ()):
                    once(built, registry.TRANSFORMS, step)
        with registry.METRICS.switch_scope_and_registry(None) as metrics:
            for part in ('val', 'test'):
                for metric in nested(config[f'{part}_evaluator']):
                    assert metrics.get(metric['type']) is not None, metric['type']
