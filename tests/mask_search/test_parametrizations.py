"""Gradients through the mask, against their formulas."""

import pytest
import torch
from torch.autograd import grad
from torch.nn.functional import conv2d, linear

from mmrobustprune.mask_search import Scored, straight_through, top_mask


def test_forward_and_gradients_by_hand():
    weight = torch.tensor([[1.0, -2.0], [3.0, -4.0]], requires_grad=True)
    scores = torch.tensor([[0.5, 2.0], [-1.0, 0.0]], requires_grad=True)
    rate = torch.tensor(0.5, requires_grad=True)
    hard = top_mask(scores, 2).bool()
    u = straight_through(weight, scores, hard, rate)
    assert u.tolist() == [[0.0, -2.0], [3.0, 0.0]]
    outer = torch.tensor([[10.0, 20.0], [30.0, 40.0]])
    by_weight, by_scores, by_rate = grad((u * outer).sum(), (weight, scores, rate))
    assert by_weight.tolist() == [[0.0, 20.0], [30.0, 0.0]]
    assert by_scores.tolist() == [
        [10.0, -40.0],
        [-90.0, 0.0],
    ]  # sign(s) w G, removed entries too, 0 at s = 0
    assert by_rate == 10 - 40 + 90 - 160


def test_a_score_per_input_channel_collects_its_weights():
    torch.manual_seed(0)
    weight, x = torch.randn(5, 3, 2, 2), torch.randn(4, 3, 6, 6)
    scores = torch.tensor([1.0, -2.0, 0.5]).view(1, 3, 1, 1).requires_grad_()
    u = straight_through(weight, scores, top_mask(scores, 2))
    assert (u[:, 2] == 0).all() and torch.equal(u[:, :2], weight[:, :2])
    leaf = u.detach().requires_grad_()
    (outer,) = grad(conv2d(x, leaf).square().sum(), leaf)
    (by_scores,) = grad(conv2d(x, u).square().sum(), scores)
    torch.testing.assert_close(
        by_scores, (weight * outer).sum((0, 2, 3), keepdim=True) * scores.detach().sign()
    )


def loss_of(u, v, x):
    return (linear(linear(x, u).tanh(), v).square() * torch.tensor([1.0, 2.0], dtype=x.dtype)).sum()


@pytest.mark.parametrize('hard_type', [torch.bool, torch.float64])
def test_the_hessian_in_scores_is_D_H_D(hard_type):
    torch.manual_seed(1)
    weights = torch.randn(3, 4, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)
    scores = [torch.randn_like(w, requires_grad=True) for w in weights]
    x = torch.randn(5, 4, dtype=torch.float64)
    masks = [top_mask(s, s.numel() // 2).to(hard_type) for s in scores]

    def through(*scores):
        return loss_of(
            *(straight_through(w, s, m) for w, s, m in zip(weights, scores, masks, strict=True)), x
        )

    flat = torch.cat([s.detach().flatten() for s in scores]).requires_grad_()

    def split(vector):
        return vector[:12].view(3, 4), vector[12:].view(2, 3)

    ours = torch.autograd.functional.hessian(lambda v: through(*split(v)), flat)
    u = torch.cat([(w * m).flatten() for w, m in zip(weights, masks, strict=True)])
    curvature = torch.autograd.functional.hessian(lambda v: loss_of(*split(v), x), u)
    diagonal = torch.cat(
        [(w * s.detach().sign()).flatten() for w, s in zip(weights, scores, strict=True)]
    )
    torch.testing.assert_close(
        ours, diagonal[:, None] * curvature * diagonal[None], rtol=1e-12, atol=1e-12
    )
    assert ours.abs().max() > 0.1


def test_the_second_derivative_of_a_linear_loss_is_zero_and_exists():
    scores = torch.randn(3, 3, requires_grad=True)
    (first,) = grad(
        straight_through(torch.randn(3, 3), scores, top_mask(scores, 4)).sum(),
        scores,
        create_graph=True,
    )
    (second,) = grad(first.sum(), scores)
    assert not second.any()


class Counted(torch.utils._python_dispatch.TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def test_without_gradients_it_costs_one_multiplication_and_with_them_few():
    layer, weight = Scored(torch.randn(4, 5), 7), torch.randn(4, 5)
    layer(weight)
    layer.scores.requires_grad_(False)
    with Counted() as seen:
        layer(weight)
    assert seen.names == ['mul']
    layer.scores.requires_grad_(True)
    with Counted() as seen:
        layer(weight).sum().backward()
    assert (
        seen.names.count('mul') == 3 and seen.names.count('sign') == 1 and 'topk' not in seen.names
    )
