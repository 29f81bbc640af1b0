"""What the certificate refuses."""

import copy

import pytest
import torch

from mmrobustprune.grouped_kernels import certify_grouped
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import GroupedKernelConv2d, Structure, prune_grouped_kernels
from tests.support.resnets import CIFARResNet, settle


def test_a_record_that_does_not_fit_is_refused_and_nothing_changes():
    torch.manual_seed(0)
    model = settle(CIFARResNet(8, (8, 8, 16)))
    dense = copy.deepcopy(model)
    structure = prune_grouped_kernels(model, 0.5, groups=4)
    wrong = [
        ('kept', [[0, 99]] * 4),
        ('kept', [[0, 1], [2]]),
        ('kept', []),
        ('groups', 3),
        ('out_index', [0] * 8),
        ('in', [0, 1]),
        ('restored', None),
        ('shape', [8, 8, 1, 1]),
    ]
    for key, value in wrong:
        record = Structure.from_json(structure.to_json())
        record.layers['stage_1.0.conv_b'][key] = value
        with pytest.raises(ValueError, match="'stage_1.0.conv_b'"):
            rebuild(dense, record)
    del record.layers['stage_1.0.conv_b']['out_index']
    with pytest.raises(ValueError, match='stage_1.0.conv_b'):
        rebuild(dense, record)
    assert not any(isinstance(module, GroupedKernelConv2d) for module in dense.modules())
    with pytest.raises(ValueError, match='does not fit'):
        rebuild(model, structure)  # twice


def test_the_certificate_refuses_an_order_that_nobody_undoes():
    torch.manual_seed(0)
    model = settle(CIFARResNet(8, (8, 8, 16)))
    dense = copy.deepcopy(model)
    structure = prune_grouped_kernels(model, 0.5, groups=4)
    image = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    assert certify_grouped(dense, structure, example=image) < 1e-12
    structure.layers['stage_3.0.conv_b']['restored'] = False
    with pytest.raises(ValueError, match="the surgery was refused: 'stage_3.0.conv_b'"):
        certify_grouped(dense, structure)
