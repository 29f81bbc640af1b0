"""dist_*.sh and slurm_*.sh: what they start, and real trainings under stand-ins for a cluster."""

import json
import os
import runpy
import subprocess
import sys
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
import torch

from tests.support.pair import PATIENCE, free_port

ROOT = Path(__file__).parents[3]
RECORDER = """#!{python}
import json, os, sys, uuid
names = 'RANK SLURM_PROCID SLURM_LOCALID SLURM_NTASKS MASTER_PORT PYTHONPATH'.split()
record = dict(arguments=sys.argv[1:], environment={{name: os.environ.get(name) for name in names}})
open('{folder}/' + uuid.uuid4().hex + '.json', 'w').write(json.dumps(record))
"""
SRUN = """#!/usr/bin/env bash
# srun on one node: the command, once for each task.
# --kill-on-bad-exit ends all with the first that fails.
printf '%s\\n' "$@" > "$(dirname "$0")/srun_arguments"
while [[ $1 == -* ]]; do
  case $1 in -p) shift ;; --ntasks=*) tasks=${1#*=} ;; esac
  shift
done
for ((task = 0; task < tasks; task++)); do
  SLURM_PROCID=$task SLURM_LOCALID=$task SLURM_NTASKS=$tasks SLURM_NODELIST=here "$@" &
done
code=0
for ((task = 0; task < tasks; task++)); do
  wait -n || { code=$?; kill $(jobs -p) 2> /dev/null; }
done
exit $code
"""


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def cluster(tmp_path):
    """A folder for PATH with srun and scontrol."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    executable(folder / 'srun', SRUN)
    executable(folder / 'scontrol', '#!/usr/bin/env bash\necho 127.0.0.1\n')
    return folder


@pytest.fixture
def started(tmp_path, cluster):
    """Run a script with an interpreter that notes its calls; (exit code, errors, the calls)."""
    calls = tmp_path / 'calls'
    calls.mkdir()
    python = executable(tmp_path / 'python', RECORDER.format(python=sys.executable, folder=calls))

    def run(script, *words, **environment):
        done = script_of(
            script, *words, PYTHON=python, PATH=f'{cluster}:{os.environ["PATH"]}', **environment
        )
        output, errors = done.communicate(timeout=PATIENCE)
        found = [json.loads(path.read_text()) for path in calls.glob('*.json')]
        return (
            done.returncode,
            output + errors,
            sorted(found, key=lambda call: call['environment']['SLURM_PROCID'] or ''),
        )

    return run


def script_of(script, *words, **environment):
    kept = {
        name: value
        for name, value in os.environ.items()
        if name
        not in (
            'NNODES',
            'NODE_RANK',
            'MASTER_ADDR',
            'MASTER_PORT',
            'PORT',
            'GPUS',
            'GPUS_PER_NODE',
            'SRUN_ARGS',
        )
    }
    return subprocess.Popen(
        ['bash', str(ROOT / 'tools' / f'{script}.sh'), *map(str, words)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=dict(kept, **dict(dict(OMP_NUM_THREADS='1'), **environment)),
    )


@pytest.mark.parametrize(
    'script, tool, given',
    [
        ('dist_train', 'train.py', ['config.py']),
        ('dist_test', 'test.py', ['config.py', 'weights.pth']),
    ],
)
def test_torchrun_on_one_machine(started, script, tool, given):
    code, _, (call,) = started(script, *given, 4, '--cfg-options', 'a=b c')
    assert code == 0 and call['arguments'] == [
        '-m',
        'torch.distributed.run',
        '--nnodes=1',
        '--node_rank=0',
        '--nproc_per_node=4',
        '--master_addr=127.0.0.1',
        '--master_port=29500',
        str(ROOT / 'tools' / tool),
        *given,
        '--launcher',
        'pytorch',
        '--cfg-options',
        'a=b c',
    ]
    assert call['environment']['PYTHONPATH'].split(':')[0] == str(ROOT)


def test_torchrun_as_one_of_several_machines(started):
    _, _, (call,) = started(
        'dist_train', 'config.py', 8, NNODES='4', NODE_RANK='2', MASTER_ADDR='10.0.0.1', PORT='4321'
    )
    assert call['arguments'][2:7] == [
        '--nnodes=4',
        '--node_rank=2',
        '--nproc_per_node=8',
        '--master_addr=10.0.0.1',
        '--master_port=4321',
    ]


@pytest.mark.parametrize(
    'script, tool, end',
    [
        ('slurm_train', 'train.py', ['config.py', '--work-dir', 'out']),
        ('slurm_test', 'test.py', ['config.py', 'weights.pth']),
    ],
)
def test_slurm_starts_a_task_for_each_gpu(started, cluster, script, tool, end):
    code, _, calls = started(
        script,
        'partition',
        'name',
        end[0],
        end[-1],
        '--resume',
        GPUS='2',
        SRUN_ARGS='--mem=1G --quiet',
    )
    assert code == 0 and [call['environment']['SLURM_PROCID'] for call in calls] == ['0', '1']
    for call in calls:
        assert call['arguments'] == [
            '-u',
            str(ROOT / 'tools' / tool),
            *end,
            '--launcher',
            'slurm',
            '--resume',
        ]
        assert call['environment']['MASTER_PORT'] == '29500'
    asked = (cluster / 'srun_arguments').read_text().split('\n')
    assert asked[:9] == [
        '-p',
        'partition',
        '--job-name=name',
        '--gres=gpu:2',
        '--ntasks=2',
        '--ntasks-per-node=2',
        '--cpus-per-task=5',
        '--kill-on-bad-exit=1',
        '--mem=1G',
    ]


def test_slurm_over_several_nodes(started, cluster):
    _, _, calls = started(
        'slurm_train', 'p', 'n', 'c.py', 'out', GPUS='16', CPUS_PER_TASK='2', PORT='4321'
    )
    assert len(calls) == 16 and {call['environment']['MASTER_PORT'] for call in calls} == {'4321'}
    asked = (cluster / 'srun_arguments').read_text().split('\n')
    assert {'--gres=gpu:8', '--ntasks=16', '--ntasks-per-node=8', '--cpus-per-task=2'} < set(asked)


def test_slurm_nodes_without_a_gpu_are_asked_for_none(started, cluster):
    started('slurm_test', 'p', 'n', 'c.py', 'w.pth', GPUS='3', GRES='')
    assert 'gres' not in (cluster / 'srun_arguments').read_text()


@pytest.mark.parametrize(
    'script, words',
    [
        ('dist_train', ['c.py']),
        ('dist_test', ['c.py', 'w.pth']),
        ('slurm_train', ['p', 'n', 'c.py']),
        ('slurm_test', ['p']),
    ],
)
def test_too_few_words_end_with_the_usage(started, script, words):
    code, output, calls = started(script, *words)
    assert code == 2 and 'Usage:' in output and 'Example:' in output and calls == []


def test_an_option_in_place_of_the_number(started):
    code, output, calls = started('dist_train', 'c.py', '--resume')
    assert code == 2 and calls == []
    assert (
        output
        == "dist_train: '--resume' is no number of processes; give it after the config, before any "
        'option.\n'
    )


@pytest.fixture
def config(tmp_path):
    import mmrobustprune.engine  # noqa: F401  (checkpoints of mmengine load)
    from tests.support.tiny import classifier, pruned  # takes mmpretrain

    path = tmp_path / 'tiny.py'
    hooks = [dict(type='ReplicasEqual')]
    imports = dict(imports=['tests.support.tiny', 'tests.support.process', 'tests.support.threads'])
    pruned(
        classifier(tmp_path / 'work', epochs=3, batch=4, custom_hooks=hooks, custom_imports=imports)
    ).dump(path)
    return path


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE)
def test_two_nodes_train_and_two_processes_test(config, tmp_path):
    port = str(free_port())
    nodes = [
        script_of(
            'dist_train',
            config,
            1,
            '--work-dir',
            tmp_path / 'work',
            NNODES='2',
            NODE_RANK=rank,
            PORT=port,
        )
        for rank in '01'
    ]
    with ThreadPool(2) as both:
        errors = both.map(lambda node: node.communicate(timeout=PATIENCE)[1], nodes)
    assert [node.returncode for node in nodes] == [0, 0], [text[-2000:] for text in errors]
    checkpoint = torch.load(tmp_path / 'work' / 'epoch_3.pth', weights_only=True)
    assert (
        len(checkpoint['resume']['ranks']) == 2 and checkpoint['meta']['mmrobustprune']['structure']
    )

    pruned = [tmp_path / 'work' / 'pruned.py', tmp_path / 'work' / 'pruned.pth']
    test = script_of('dist_test', *pruned, 2, '--work-dir', tmp_path / 'two', PORT=str(free_port()))
    errors = test.communicate(timeout=PATIENCE)[1]
    assert test.returncode == 0, errors[-2000:]
    two = json.loads(next((tmp_path / 'two').glob('*/*.json')).read_text())
    one = runpy.run_path(str(ROOT / 'tools' / 'test.py'))['main'](
        [*map(str, pruned), '--work-dir', str(tmp_path / 'one')]
    )
    assert two['accuracy/top1'] == one['accuracy/top1']


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE)
def test_slurm_tasks_train_together(config, cluster, tmp_path):
    done = script_of(
        'slurm_train',
        'cpu',
        'tiny',
        config,
        tmp_path / 'work',
        GPUS='2',
        GRES='',
        PORT=str(free_port()),
        PATH=f'{cluster}:{os.environ["PATH"]}',
    )
    errors = done.communicate(timeout=PATIENCE)[1]
    assert done.returncode == 0, errors[-2000:]
    assert (
        errors.count('threads left:') == 2 and 'gloo' not in errors
    )  # one that is left may abort the process
    checkpoint = torch.load(tmp_path / 'work' / 'epoch_3.pth', weights_only=True)
    assert len(checkpoint['resume']['ranks']) == 2 and (tmp_path / 'work' / 'pruned.pth').exists()
