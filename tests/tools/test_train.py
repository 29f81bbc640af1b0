"""tools/train.py and tools/test.py on a small classifier."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.support.tiny import classifier

ROOT = Path(__file__).parent.parent.parent


def tool(name, *arguments):
    """The tool's main, called here with these arguments."""
    return runpy.run_path(str(ROOT / 'tools' / f'{name}.py'))['main']([str(a) for a in arguments])


@pytest.fixture
def config(tmp_path):
    """A config file of one epoch."""
    cfg = classifier(tmp_path / 'unused', epochs=1)
    cfg.pop('work_dir')
    path = tmp_path / 'tiny.py'
    cfg.dump(path)
    return path


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp('trained')
    classifier(folder / 'work', epochs=1).dump(folder / 'tiny.py')
    tool('train', folder / 'tiny.py', '--work-dir', folder / 'work')
    return folder


def test_train_then_test(trained):
    checkpoint = trained / 'work' / 'epoch_1.pth'
    metrics = tool(
        'test',
        trained / 'tiny.py',
        checkpoint,
        '--work-dir',
        trained / 'work',
        '--out',
        trained / 'p.pkl',
    )
    assert 0 <= metrics['accuracy/top1'] <= 100
    assert (trained / 'p.pkl').stat().st_size > 0


def test_test_time_augmentation(trained):
    checkpoint = trained / 'work' / 'epoch_1.pth'
    assert tool('test', trained / 'tiny.py', checkpoint, '--work-dir', trained / 'work', '--tta')


def test_amp_on_a_cpu(config, tmp_path):
    tool(
        'train',
        config,
        '--amp',
        '--work-dir',
        tmp_path / 'work',
        '--cfg-options',
        'train_cfg.max_epochs=1',
    )
    assert (tmp_path / 'work' / 'epoch_1.pth').exists()


def test_the_learning_rate_follows_the_batch(config, tmp_path):
    """mmpretrain's own configs name the batch size alone."""
    tool(
        'train',
        config,
        '--auto-scale-lr',
        '--work-dir',
        tmp_path / 'work',
        '--cfg-options',
        'auto_scale_lr.base_batch_size=4',
    )
    (group,) = torch.load(tmp_path / 'work' / 'epoch_1.pth')['optimizer']['param_groups']
    assert group['initial_lr'] == 2 * 0.05  # batches of 8


def test_resume_goes_on(config, tmp_path):
    tool('train', config, '--work-dir', tmp_path / 'work')
    tool(
        'train',
        config,
        '--work-dir',
        tmp_path / 'work',
        '--resume',
        '--cfg-options',
        'train_cfg.max_epochs=2',
    )
    assert torch.load(tmp_path / 'work' / 'epoch_2.pth')['meta']['epoch'] == 2


def test_resume_with_nothing_to_resume_begins_from_the_given_weights(config, tmp_path, capsys):
    """A script that always says --resume must not train from random weights the first time."""
    tool('train', config, '--work-dir', tmp_path / 'first')
    tool(
        'train',
        config,
        '--work-dir',
        tmp_path / 'work',
        '--resume',
        '--cfg-options',
        'optim_wrapper.optimizer.lr=0',
        f'load_from={tmp_path / "first" / "epoch_1.pth"}',
    )
    assert 'starts from the beginning' in capsys.readouterr().out
    before, after = (
        torch.load(tmp_path / name / 'epoch_1.pth')['state_dict'] for name in ('first', 'work')
    )
    assert torch.equal(before['head.fc.weight'], after['head.fc.weight'])


@pytest.mark.parametrize(
    'arguments, said',
    [
        (['{missing}'], "config '{missing}' is not there"),
        (['{config}', '--auto-scale-lr'], '--auto-scale-lr needs auto_scale_lr'),
        (['{config}', '--cfg-options', 'model'], "--cfg-options got 'model'; write KEY=VALUE"),
        (['{config}', '--resume', '{missing}'], 'is not there'),
        (
            ['{config}', '--amp', '--cfg-options', 'optim_wrapper.type=ApexOptimWrapper'],
            '--amp has no form',
        ),
        (
            [
                '{config}',
                '--cfg-options',
                'train_dataloader.dataset.data_root={missing}',
                'train_dataloader.dataset.type=CustomDataset',
            ],
            '{missing}/ is not there, so CustomDataset has no data',
        ),
    ],
)
def test_wrong_input_is_one_sentence(config, tmp_path, arguments, said):
    values = dict(config=config, missing=tmp_path / 'missing')
    filled = [argument.format(**values) for argument in arguments]
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        tool('train', *filled, '--work-dir', tmp_path / 'work')
    message = str(error.value)
    assert said.format(**values) in message and message.endswith('.') and '\n' not in message


def test_predictions_go_into_pkl_files(config):
    with pytest.raises(ValueError, match='does not end in .pkl'):
        tool('test', config, 'x.pth', '--out', 'predictions.json')


def test_painting_needs_the_hook(config):
    with pytest.raises(ValueError, match='need default_hooks.visualization'):
        tool('test', config, 'x.pth', '--show-dir', 'painted')


def test_exit_code_and_stderr(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / 'tools' / 'train.py'), 'nowhere.py'],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "train: config 'nowhere.py' is not there; give the path of a config file, "
        'or package::path for one of an installed package.'
    )


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason='gloo is for machines without a GPU')
@pytest.mark.parametrize('script', ['ours', 'stock'])
def test_two_processes_train_and_test(config, tmp_path, script):
    import socket

    import mmpretrain

    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    folder = (
        ROOT / 'tools' if script == 'ours' else Path(mmpretrain.__file__).parent / '.mim' / 'tools'
    )
    env = dict(
        PORT=str(port),
        PATH=f'{Path(sys.executable).parent}:/usr/bin:/bin',
        HOME=str(Path.home()),
        PYTHONPATH=str(ROOT),
        OMP_NUM_THREADS='1',
        PYTHON=sys.executable,
    )
    options = ['--work-dir', str(tmp_path / 'work')]
    if script == 'stock':
        options += [
            '--cfg-options',
            'runner_type=mmrobustprune.PruneRunner',
            'robust_prune.recipe=magnitude',
            'robust_prune.target=0.3',
            'robust_prune.rounds=2',
            'robust_prune.interval=1',
            'train_dataloader.persistent_workers=False',
            'val_dataloader.persistent_workers=False',
            'test_dataloader.persistent_workers=False',
        ]
    train = ['bash', str(folder / 'dist_train.sh'), str(config), '2', *options]
    done = subprocess.run(train, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    ranks = torch.load(tmp_path / 'work' / 'epoch_1.pth')['resume']['ranks']
    assert len(ranks) == 2
    if script == 'ours':
        test = [
            'bash',
            str(folder / 'dist_test.sh'),
            str(config),
            str(tmp_path / 'work' / 'epoch_1.pth'),
            '2',
            *options,
        ]
        done = subprocess.run(test, env=env, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
