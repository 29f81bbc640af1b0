"""Child registries: our types are found by name from a config, in a process that imported nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('mmengine')
from mmrobustprune import registry

ROOT = Path(__file__).parent.parent
FIND = """
import sys
from mmengine import registry
kind = getattr(registry, sys.argv[1]).get(sys.argv[2])
assert kind is None, kind  # nothing of ours is imported yet
import mmrobustprune.registry as ours
kind = getattr(registry, sys.argv[1]).get('mmrobustprune.' + sys.argv[2])
assert kind is not None and kind.__name__ == sys.argv[2], kind
print(kind.__module__)
"""


@pytest.mark.parametrize(
    'name, kind, module',
    [
        ('MODELS', 'PrunedModel', 'mmrobustprune.models.pruned'),
        ('MODELS', 'CIFARResNet', 'mmrobustprune.models.backbones.cifar_resnet'),
        ('DATASETS', 'SVHN', 'mmrobustprune.datasets.svhn'),
        ('TRANSFORMS', 'LoadImageOnce', 'mmrobustprune.datasets.remembered'),
        ('DATA_SAMPLERS', 'ReplayedBatchSampler', 'mmrobustprune.datasets.samplers'),
    ],
)
def test_a_type_is_found_by_its_scope(name, kind, module):
    pytest.importorskip('mmpretrain')
    done = subprocess.run(
        [sys.executable, '-c', FIND, name, kind], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().splitlines()[-1] == module


def test_every_registry_is_a_child_of_mmengines():
    from mmengine import registry as upstream

    for name in ('MODELS', 'HOOKS', 'RUNNERS', 'LOOPS', 'OPTIM_WRAPPERS', 'DATASETS'):
        child = getattr(registry, name)
        assert child.scope == 'mmrobustprune' and child.parent is getattr(upstream, name)
