import math

import pytest
import torch
from mmcv.ops import sigmoid_focal_loss, softmax_focal_loss
from torch.autograd import gradcheck

LOGITS = [[0.3, -1.2, 2.0], [-0.4, 0.9, 0.1]]


def sigmoid_loss(x, is_own, gamma, alpha):
    p = 1 / (1 + math.exp(-x))
    if is_own:
        return -alpha * (1 - p) ** gamma * math.log(p)
    return -(1 - alpha) * p**gamma * math.log(1 - p)


@pytest.mark.parametrize('weight', [None, [1.0, 2.0, 3.0]])
def test_sigmoid(weight):
    """Row 0 is of class 2, row 1 of the background or of class 0."""
    other = 3 if weight is None else 0
    expected = [
        [
            sigmoid_loss(x, c == target, 1.5, 0.3) * (weight[target] if weight else 1)
            for c, x in enumerate(row)
        ]
        for row, target in zip(LOGITS, (2, other), strict=True)
    ]
    weight = None if weight is None else torch.tensor(weight)
    target = torch.tensor([2, other])
    found = sigmoid_focal_loss(torch.tensor(LOGITS), target, 1.5, 0.3, weight, 'none')
    torch.testing.assert_close(found, torch.tensor(expected))
    mean = sigmoid_focal_loss(torch.tensor(LOGITS), target, 1.5, 0.3, weight, 'mean')
    torch.testing.assert_close(mean, torch.tensor(expected).sum() / 2)


@pytest.mark.parametrize('weight', [None, [1.0, 2.0, 3.0]])
def test_softmax(weight):
    """A row of a negative class has no loss."""
    e = [math.exp(x) for x in LOGITS[0]]
    p = e[1] / sum(e)
    loss = -0.25 * (1 - p) ** 2 * math.log(p) * (2 if weight else 1)
    weight = None if weight is None else torch.tensor(weight)
    given = (torch.tensor(LOGITS), torch.tensor([1, -1]), 2.0, 0.25, weight, 'none')
    torch.testing.assert_close(softmax_focal_loss(*given), torch.tensor([loss, 0.0]))


@pytest.mark.parametrize('function', [sigmoid_focal_loss, softmax_focal_loss])
@pytest.mark.parametrize('weighted', [False, True])
def test_gradients(function, weighted):
    logits = torch.tensor(LOGITS, dtype=torch.double, requires_grad=True)
    weight = torch.tensor([1.0, 2.0, 3.0], dtype=torch.double) if weighted else None
    target = torch.tensor([2, 0])
    assert gradcheck(lambda x: function(x, target, 1.7, 0.3, weight, 'mean'), logits)


@pytest.mark.parametrize('function', [sigmoid_focal_loss, softmax_focal_loss])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_certain_predictions_stay_finite(function, dtype):
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], dtype=dtype, requires_grad=True)
    loss = function(logits, torch.tensor([0, 0]), 2.0, 0.25, None, 'sum')
    loss.backward()
    assert loss.dtype == dtype and loss.isfinite() and logits.grad.isfinite().all()
    assert loss > 20 * 0.25  # the wrong row
