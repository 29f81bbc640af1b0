"""Child registries of mmengine's: `type='mmrobustprune.X'` is found without custom_imports."""

from mmengine import registry as upstream


def _child(name: str, *rooms: str) -> upstream.Registry:
    parent = getattr(upstream, name)
    locations = [f'mmrobustprune.{room}' for room in rooms]
    return upstream.Registry(parent.name, parent=parent, scope='mmrobustprune', locations=locations)


MODELS = _child(
    'MODELS',
    'models.pruned',
    'models.adversarial',
    'models.backbones',
    'models.necks',
    'models.onnx_classifier',
)
HOOKS = _child('HOOKS', 'engine')
RUNNERS = _child('RUNNERS', 'engine')
LOOPS = _child('LOOPS', 'engine')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'engine')
DATASETS = _child('DATASETS', 'datasets')
DATA_SAMPLERS = _child('DATA_SAMPLERS', 'datasets.samplers')
TRANSFORMS = _child('TRANSFORMS', 'datasets.remembered')
