"""Every operator that the compiled mmcv has for CPUs gives what the compiled one gave."""

import pytest
import torch

from tests.compat.operators.recorded import CASES, recorded
from tests.support.mmcv_ops import needs_compiled

DEVICES = [
    'cpu',
    pytest.param('cuda', marks=pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')),
]


def assert_recorded(name, device='cpu'):
    inputs, expected = recorded(name)
    found = CASES[name][1](**{key: tensor.to(device) for key, tensor in inputs.items()})
    found = {key: tensor.cpu() for key, tensor in found.items()}
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('name', CASES)
def test_as_the_compiled_operators_gave(name, device):
    assert_recorded(name, device)


@needs_compiled
@pytest.mark.parametrize('name', CASES)
def test_the_record_is_of_the_compiled_operators(monkeypatch, operators, name):
    from mmcv import _ext

    for function in dir(_ext):
        monkeypatch.setattr(operators, function, getattr(_ext, function), raising=False)
    assert_recorded(name)
