"""Child registries: our types are found by name, in a process that imported nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('mmengine')
from mmrobustprune import registry

ROOT = Path(__file__).parent.parent
FIND = """
from mmengine import registry
TYPES = [
    ('DATA_SAMPLERS', 'ReplayedBatchSampler'),
    ('TRANSFORMS', 'LoadImageOnce'),
    ('MODELS', 'PrunedModel'),
    ('MODELS', 'CIFARResNet'),
    ('DATASETS', 'SVHN'),
]
for name, kind in TYPES:
    assert getattr(registry, name).get(kind) is None  # nothing of ours is imported yet
import mmrobustprune.registry
for name, kind in TYPES:
    found = getattr(registry, name).get('mmrobustprune.' + kind)
    assert found is not None, kind
    print(found.__module__)
"""


@pytest.mark.slow
def test_a_type_is_found_by_its_scope():
    pytest.importorskip('mmpretrain')
    pytest.importorskip('mmdet')
    done = subprocess.run([sys.executable, '-c', FIND], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[-5:] == [
        'mmrobustprune.datasets.samplers',
        'mmrobustprune.datasets.remembered',
        'mmrobustprune.models.pruned',
        'mmrobustprune.models.backbones.cifar_resnet',
        'mmrobustprune.datasets.svhn',
    ]


def test_every_registry_is_a_child_of_mmengines():
    from mmengine import registry as upstream

    for name in ('MODELS', 'HOOKS', 'RUNNERS', 'LOOPS', 'OPTIM_WRAPPERS', 'DATASETS'):
        child = getattr(registry, name)
        assert child.scope == 'mmrobustprune' and child.parent is getattr(upstream, name)
