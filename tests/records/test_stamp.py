import json
import subprocess
import sys
from importlib.metadata import version

import numpy as np
import pytest
import torch
from torch import nn

import mmrobustprune
from mmrobustprune.records import stamp
from tests.support.distributions import pretend


def test_versions_are_those_that_are_installed():
    own = dict(mmrobustprune=mmrobustprune.__version__, torch=str(torch.__version__))
    assert stamp.own_versions() == own
    found = stamp.versions()
    assert {key: found[key] for key in own} == own and found['numpy'] == np.__version__
    for name, value in found.items():
        assert name in own or value == version(name)
    json.dumps(found)


def test_pixels_depend_on_fewer_than_an_evaluation_does():
    pixels = stamp.imaging_versions()
    assert pixels.items() <= stamp.versions().items()
    assert {'mmrobustprune', 'numpy', 'pillow', 'scipy', 'numba'} <= set(pixels)
    assert not {'torch', 'mmengine', 'mmcv', 'mmcv-lite', 'mmdet'} & set(pixels)


@pytest.mark.parametrize('name', [name for name in stamp.OPENMMLAB if name.startswith('onedl-')])
def test_the_fork_of_openmmlab_is_named_by_its_own_names(tmp_path, monkeypatch, name):
    pretend(tmp_path, name, '9.8.7', 'somewhere')
    monkeypatch.syspath_prepend(tmp_path)
    assert stamp.versions()[name] == '9.8.7'


def test_what_is_not_installed_has_no_version():
    assert stamp.installed(['numpy', 'no-such-distribution']) == dict(numpy=np.__version__)


def test_the_commit_is_the_checkouts():
    found = stamp.commit()
    folder = mmrobustprune.__path__[0]
    head = subprocess.run(
        ['git', '-C', folder, 'rev-parse', 'HEAD'], capture_output=True, text=True
    )
    if head.returncode:
        assert found is None
    else:
        assert found.removesuffix('-dirty') == head.stdout.strip()


def test_outside_a_checkout_there_is_no_commit(tmp_path, monkeypatch):
    (tmp_path / 'mmrobustprune').mkdir()
    monkeypatch.setattr(mmrobustprune, '__file__', str(tmp_path / 'mmrobustprune' / 'x.py'))
    monkeypatch.setenv('GIT_CEILING_DIRECTORIES', str(tmp_path.parent))
    assert stamp.commit() is None


def test_the_command_can_be_typed_again(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['tools/a.py', 'with space', "it's"])
    monkeypatch.setattr(sys, 'executable', '/opt/bin/python3')
    assert stamp.command() == """python3 tools/a.py 'with space' 'it'"'"'s'"""


def test_weights_are_known_by_their_values_alone(tmp_path):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    before = stamp.weights_hash(net)
    assert len(before) == 32 and stamp.device_name(net) == 'cpu'
    assert stamp.device_of(nn.Linear(2, 2, device='meta')).type == 'meta'
    assert stamp.device_of(nn.ReLU()).type == 'cpu'
    assert stamp.state_hash(dict(reversed(net.state_dict().items()))) == before
    moved = {key: value.clone() for key, value in net.state_dict().items()}
    moved['0.weight'] = moved['0.weight'].contiguous(memory_format=torch.channels_last)
    assert stamp.state_hash(moved) == before
    net[1].running_mean[2] += 1e-7
    assert stamp.weights_hash(net) != before


@pytest.mark.parametrize('changed', [dict(a=1, b=[3]), dict(a=1.5, b=[2]), dict(a=1)])
def test_configs_are_known_by_their_content(changed):
    assert stamp.config_hash(dict(a=1, b=[2])) == stamp.config_hash(dict(b=[2], a=1))
    assert stamp.config_hash(changed) != stamp.config_hash(dict(a=1, b=[2]))


def test_what_makes_a_loader_faster_alone_does_not_count():
    loader = dict(batch_size=8, num_workers=4, pin_memory=True, collate_fn='x', sampler='y')
    assert stamp.loader_settings(loader, ('collate_fn',)) == dict(batch_size=8, sampler='y')
    assert stamp.loader_settings(None) == {}
