"""tools/robustness.py, and the stock test scripts, on models this project did not make."""

import json
import os
import socket
import subprocess
import sys
import tarfile
from pathlib import Path

import cv2
import mmdet
import numpy as np
import pytest
from mmengine.config import Config

from tests.engine.robustness.toys import random_weights, write_voc
from tests.support.tools import run_tool

ROOT = Path(__file__).parents[2]
TOOL = str(ROOT / 'tools' / 'robustness.py')


def run(monkeypatch, *words):
    """The exit code of the tool in this process."""
    return run_tool(monkeypatch, 'robustness', *words)


def start(folder, *words):
    """A process of its own, in `folder`, that must end well."""
    path = os.pathsep.join(filter(None, [os.environ.get('PYTHONPATH'), str(ROOT)]))
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        env=dict(os.environ, PYTHONPATH=path),
    )
    assert done.returncode == 0, done.stderr
    return done


def ssdlite(folder, data, classes=('cat', 'dog')):
    path = folder / 'ssdlite.py'
    path.write_text(f"""
_base_ = 'mmdet::ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py'
model = dict(bbox_head=dict(num_classes={len(classes)}), test_cfg=dict(score_thr=0.3))
test_dataloader = dict(batch_size=3, num_workers=0, persistent_workers=False, dataset=dict(
    _delete_=True, type='VOCDataset', data_root='{data}/', ann_file='ImageSets/Main/test.txt',
    data_prefix=dict(sub_data_root=''), metainfo=dict(classes={classes}), test_mode=True,
    pipeline={{{{_base_.test_pipeline}}}}))
test_evaluator = dict(_delete_=True, type='VOCMetric', metric='mAP', eval_mode='area')
""")
    return path


@pytest.mark.slow
def test_ssdlite_of_mmdet_from_another_folder(tmp_path):
    """A process of its own that starts outside the checkout (mmdet's tool cannot)."""
    config = ssdlite(tmp_path, write_voc(tmp_path / 'voc'))
    checkpoint = random_weights(Config.fromfile(config), tmp_path / 'random.pth')
    done = start(
        tmp_path,
        TOOL,
        config,
        checkpoint,
        '--corruptions',
        'fog',
        '--severities',
        1,
        5,
        '--work-dir',
        'here',
    )
    assert 'fog' in done.stdout
    results = json.loads((tmp_path / 'here' / 'results.json').read_text())
    assert results['metric'] == 'pascal_voc/AP50' and len(results['cells']) == 2


@pytest.mark.slow
def test_resnet_of_mmpretrain_on_a_folder_of_files(monkeypatch, tmp_path):
    """CustomDataset loads BGR files; the config leaves collate_fn to mmpretrain's own script."""
    for index in range(12):
        folder = tmp_path / 'data' / 'abc'[index % 3]
        folder.mkdir(parents=True, exist_ok=True)
        image = np.random.default_rng(index).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f'{index}.png'), image)
    config = Config.fromfile(_resnet(tmp_path, tmp_path / 'data'))
    checkpoint = random_weights(config, tmp_path / 'random.pth')
    assert (
        run(
            monkeypatch,
            tmp_path / 'resnet.py',
            checkpoint,
            '--corruptions',
            'extra',
            '--work-dir',
            tmp_path / 'w',
        )
        == 0
    )
    results = json.loads((tmp_path / 'w' / 'results.json').read_text())
    assert results['suite'] == 'imagenet-c-at-32' and len(results['cells']) == 20
    assert results['mPC'] is None and results['images'] == 12  # no benchmark corruption was asked


def _resnet(folder, data):
    (folder / 'resnet.py').write_text(f"""
_base_ = 'mmpretrain::resnet/resnet18_8xb16_cifar10.py'
test_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(
    _delete_=True, type='CustomDataset', data_root='{data}', test_mode=True,
    pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')]))
test_evaluator = dict(topk=(1,))
""")
    return folder / 'resnet.py'


@pytest.mark.slow
def test_the_stock_test_script_runs_the_suite(tmp_path):
    config = ssdlite(tmp_path, write_voc(tmp_path / 'voc'))
    checkpoint = random_weights(Config.fromfile(config), tmp_path / 'random.pth')
    child = tmp_path / 'child.py'
    child.write_text(f"""
_base_ = ['./{config.name}', '{ROOT}/configs/recipes/corruptions.py']
runner_type = 'mmrobustprune.CorruptionRunner'
robust_eval = dict(corruptions=['fog', 'contrast'], severities=[3])
""")
    script = Path(mmdet.__file__).parent / '.mim' / 'tools' / 'test.py'
    done = start(tmp_path, script, child, checkpoint, '--work-dir', tmp_path / 'w')
    results = json.loads((tmp_path / 'w' / 'results.json').read_text())
    assert len(results['cells']) == 2
    assert '| contrast |' in done.stderr + done.stdout


@pytest.mark.slow
def test_two_processes_of_dist_test_give_the_same_numbers(toy, tmp_path):
    child = tmp_path / 'child.py'
    child.write_text(f"""
_base_ = './{toy[0].name}'
runner_type = 'mmrobustprune.CorruptionRunner'
robust_eval = dict(corruptions=['fog', 'gaussian_noise'], severities=[3], workers=1)
""")
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    subprocess.run(
        [
            'bash',
            str(ROOT / 'tools' / 'dist_test.sh'),
            str(child),
            toy[1],
            '2',
            '--work-dir',
            str(tmp_path / 'two'),
        ],
        env=dict(os.environ, PORT=port, PYTHON=sys.executable),
        check=True,
        capture_output=True,
    )
    start(tmp_path, ROOT / 'tools' / 'test.py', child, toy[1], '--work-dir', tmp_path / 'one')
    one, two = [
        json.loads((tmp_path / name / 'results.json').read_text()) for name in ('one', 'two')
    ]
    assert one['cells'] == two['cells'] and one['P'] == two['P'] and len(one['cells']) == 2


def _extract(archive, folder, wanted):
    """The members that `wanted` names, without reading the archive to its end."""
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name in wanted:
                tar.extract(member, folder, filter='data')
                wanted = wanted - {member.name}
                if not wanted:
                    return


def test_blood_cells(shared_data, monkeypatch, tmp_path):
    names = [f'BloodImage_0000{index}' for index in range(3)]
    _extract(
        shared_data / 'bccd.tar.gz',
        tmp_path,
        {
            *(f'BCCD/JPEGImages/{name}.jpg' for name in names),
            *(f'BCCD/Annotations/{name}.xml' for name in names),
        },
    )
    (tmp_path / 'BCCD' / 'ImageSets' / 'Main').mkdir(parents=True)
    (tmp_path / 'BCCD' / 'ImageSets' / 'Main' / 'test.txt').write_text('\n'.join(names))
    config = ssdlite(tmp_path, tmp_path / 'BCCD', ('RBC', 'WBC', 'Platelets'))
    results = _two_cells(monkeypatch, tmp_path, config)
    assert results['suite'] == 'voc-c' and results['images'] == 3


def test_cifar_as_files(shared_data, monkeypatch, tmp_path):
    _extract(
        shared_data / 'cifar10_jpeg.tar.gz',
        tmp_path,
        {f'train/airplane/000{index}.jpg' for index in range(6)},
    )
    results = _two_cells(monkeypatch, tmp_path, _resnet(tmp_path, tmp_path / 'train'))
    assert results['suite'] == 'imagenet-c-at-32' and results['images'] == 6


def _two_cells(monkeypatch, folder, config):
    checkpoint = random_weights(Config.fromfile(config), folder / 'random.pth')
    assert (
        run(
            monkeypatch,
            config,
            checkpoint,
            '--severities',
            '3',
            '--work-dir',
            folder / 'w',
            '--corruptions',
            'fog',
            'frost',
        )
        == 0
    )
    results = json.loads((folder / 'w' / 'results.json').read_text())
    assert len(results['cells']) == 2
    return results
