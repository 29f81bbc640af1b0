import pytest
import torch

from mmrobustprune.compat.operators.precision import gradients, wide


@pytest.mark.parametrize(
    'given, computed',
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_half_precision_is_widened(given, computed):
    assert wide(torch.ones(1, dtype=given)).dtype == computed


def test_gradients_of_all_inputs_where_autograd_is_off():
    a = torch.tensor([2.0, 3.0])
    b = torch.tensor([5.0, 7.0])
    with torch.no_grad():
        found = gradients(torch.mul, (a, b), torch.tensor([1.0, 10.0]))
    assert [gradient.tolist() for gradient in found] == [[5, 70], [2, 30]]
