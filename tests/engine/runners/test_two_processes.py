"""The stock launch without a GPU: two gloo processes through every phase and the removal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.support.tiny import classifier

ROOT = Path(__file__).parents[3]


def launch(folder, *args, port=29611):
    import mmpretrain

    script = Path(mmpretrain.__file__).parent / '.mim' / 'tools' / 'train.py'
    command = [
        sys.executable,
        '-m',
        'torch.distributed.run',
        '--nproc_per_node=2',
        f'--master_port={port}',
        str(script),
        str(folder / 'user.py'),
        '--launcher',
        'pytorch',
        *args,
    ]
    env = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=1800)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_replicas_stay_equal_and_a_pair_with_one_killed_resumes(tmp_path):
    """The launcher ends the process that is left."""
    hooks = [dict(type='ReplicasEqual')]
    config = classifier(
        tmp_path / 'work',
        batch=4,
        custom_imports=dict(imports=['tests.support.tiny', 'tests.support.process']),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1, by_epoch=False)),
    )
    config.dump(tmp_path / 'base.py')
    recipe = dict(recipe='adasap', target=0.5, warmup='1 epochs', rounds=3, interval=2)

    def user(hooks):
        (tmp_path / 'user.py').write_text(
            "_base_ = 'base.py'\nrunner_type = 'mmrobustprune.PruneRunner'\n"
            f'robust_prune = {recipe!r}\ncustom_hooks = {hooks!r}\n'
        )

    user(hooks)
    done = launch(tmp_path, '--work-dir', str(tmp_path / 'whole'))
    assert done.returncode == 0, done.stderr[-3000:]
    expected = torch.load(tmp_path / 'whole' / 'pruned.pth', weights_only=True)['state_dict']

    user([*hooks, dict(type='KillAt', iteration=15, rank=1)])
    assert launch(tmp_path, '--work-dir', str(tmp_path / 'killed'), port=29612).returncode != 0
    user(hooks)
    done = launch(tmp_path, '--work-dir', str(tmp_path / 'killed'), '--resume', port=29613)
    assert done.returncode == 0, done.stderr[-3000:]
    found = torch.load(tmp_path / 'killed' / 'pruned.pth', weights_only=True)['state_dict']
    assert all(torch.equal(expected[key], found[key]) for key in expected)
