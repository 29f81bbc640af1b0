"""The configurations of the table: read, named, chosen, built without weights."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmrobustprune.engine.bridge.config import find_config
from mmrobustprune.engine.coverage.totals import SHARES
from mmrobustprune.engine.coverage.zoo import Case, read_cases

ZOO = Path(__file__).parents[3] / 'tools/zoo.csv'
LENET = Case('mmpretrain::lenet/lenet5_mnist.py', 32)


def test_names():
    case = Case('mmdet::gn+ws/faster-rcnn_r50_fpn_gn-ws-all_1x_coco.py', 128)
    assert case.family == 'mmdet::gn+ws'
    assert case.name == 'mmdet_gn+ws_faster-rcnn_r50_fpn_gn-ws-all_1x_coco'


def test_every_configuration_is_there_once():
    cases = read_cases(ZOO)
    assert len({case.config for case in cases}) == len(cases)
    assert len({case.name for case in cases}) == len(cases)
    families = {case.config.split('/')[0] for case in cases}
    assert sum(family.startswith('mmpretrain::') for family in families) >= 54
    assert sum(family.startswith('mmdet::') for family in families) >= 54
    for case in cases:
        assert find_config(case.config).is_file() and case.kind in SHARES


def test_parts_make_the_whole():
    every = read_cases(ZOO)
    parts = [read_cases(ZOO, part=(number, 5)) for number in range(5)]
    assert sum(map(len, parts)) == len(every) and parts[2][1] == every[7]
    assert [case.family for case in read_cases(ZOO, 'mmdet::atss')] == ['mmdet::atss']
    with pytest.raises(ValueError, match="--only 'nothing' and --part 0/1 leave none"):
        read_cases(ZOO, 'nothing')


def test_the_same_seed_gives_the_same_network():
    first = LENET.build()
    second = LENET.build()
    assert not first.training
    assert all(map(torch.equal, first.parameters(), second.parameters()))


def test_teachers_come_from_the_package():
    model = Case('mmdet::ld/ld_r18-gflv1-r101_fpn_1x_coco.py', 128).read().model
    assert Config.fromfile(model.teacher_config).model.type == 'GFL'
    assert model.teacher_ckpt is None and model.backbone.init_cfg is None
