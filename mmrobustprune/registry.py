"""Child registries of mmengine's, so that `type='mmrobustprune.X'` is found without custom_imports."""
from mmengine import registry as upstream


def _child(name: str, room: str) -> upstream.Registry:
    parent = getattr(upstream, name)
    return upstream.Registry(
        parent.name, parent=parent, scope='mmrobustprune', locations=[f'mmrobustprune.{room}'])


MODELS = _child('MODELS', 'models')
HOOKS = _child('HOOKS', 'engine')
RUNNERS = _child('RUNNERS', 'engine')
LOOPS = _child('LOOPS', 'engine')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'engine')
DATASETS = _child('DATASETS', 'datasets')
DATA_SAMPLERS = _child('DATA_SAMPLERS', 'engine')
TRANSFORMS = _child('TRANSFORMS', 'datasets')
METRICS = _child('METRICS', 'engine')
