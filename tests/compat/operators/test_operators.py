"""The module that stands in: all names, none of them under autocast, one sentence for the rest."""

import re

import pytest
import torch
from mmcv import ops

from mmrobustprune.compat.operators import operator
from tests.compat.operators.recorded import CASES, ROIS, recorded


def test_an_operator_without_replacement_says_how_to_get_it():
    boxes = torch.rand(3, 5)
    with pytest.raises(NotImplementedError) as error:
        ops.nms_rotated(boxes, torch.rand(3), 0.5)
    text = re.sub(
        r'(mmcv |mmcv==|torch )\d\S+?(?=[ ).]*(?:\(| |\)))', r'\1VERSION', str(error.value)
    )
    assert text == (
        "mmcv's operator 'nms_rotated' has to be compiled: mmcv is installed without its compiled "
        'operators here, and mmrobustprune has no replacement for this one; install the compiled '
        'mmcv VERSION for torch VERSION (bash tools/setup_env.sh --with-mmcv, or pip uninstall '
        'mmcv-lite, then MMCV_WITH_OPS=1 pip install mmcv==VERSION).'
    )


def test_every_name_but_private_ones_is_answered(operators):
    assert callable(operators.furthest_point_sampling_forward)
    assert operator('nms') is operators.nms
    assert not hasattr(operators, '__path__') and not hasattr(operators, '_private')


@pytest.mark.parametrize(
    'name', ['deform_conv', 'roi_align avg 0 aligned', 'modulated_deform_conv']
)
def test_autocast_does_not_reach_in(name):
    inputs, expected = recorded(name)
    with torch.autocast('cpu', torch.bfloat16):
        found = CASES[name][1](**inputs)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_autocast_does_not_reach_into_plain_torch():
    features = torch.randn(1, 4, 4, 4)
    masks = torch.rand(1, 9, 8, 8)
    with torch.autocast('cpu', torch.bfloat16):
        found = ops.carafe(features, masks, 3, 1, 2)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, ops.carafe(features, masks, 3, 1, 2))


def test_a_layer_of_mmcv_under_autocast():
    """The layer in front gives bfloat16; the operator computes in float32 and answers in kind."""
    with torch.autocast('cpu', torch.bfloat16):
        features = torch.nn.Conv2d(3, 4, 1)(torch.randn(2, 3, 7, 9))
        rois = torch.tensor(ROIS).to(features)
        found = ops.RoIAlign(2, 0.25)(features, rois)
    assert features.dtype == found.dtype == torch.bfloat16
    found.sum().backward()
