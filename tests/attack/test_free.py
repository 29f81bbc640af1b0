"""Free adversarial training on a linear model, whose noise can be written down."""

import math

import torch
from torch.nn import functional as F

from mmrobustprune.attack import FreeAT
from tests.attack.nets import linear, samples, total, worst_corner

EPS = 8 / 255


def free_step(loss, model, x, y):
    attacked = loss.craft(model, x, y)
    total(loss(model, x, attacked, y)).backward()
    return attacked


def test_free_at_on_a_linear_model():
    """The first pass sees x, the second x + eps sign; the weights' gradient is that of plain
    training on what it saw.
    """
    model, (x, index), loss = linear(), samples(), FreeAT(eps=EPS)
    y = index % 2
    corner = worst_corner(model, x, y)
    assert torch.equal(free_step(loss, model, x, y), x)
    grad = model.network[1].weight.grad.clone()
    model.zero_grad()
    F.cross_entropy(model(x), y).backward()
    assert torch.equal(model.network[1].weight.grad, grad)
    assert torch.equal(loss.state()['noise'], EPS * corner)
    second = free_step(loss, model, x, y)
    assert torch.allclose(second, (x + EPS * corner).clamp(0, 1))
    inside = (x + EPS * corner >= 0) & (
        x + EPS * corner <= 1
    )  # the others were cut, and have no gradient
    assert torch.equal(loss.state()['noise'][inside], (EPS * corner)[inside]) and not inside.all()


def test_the_noise_of_free_at_belongs_to_places_of_the_batch():
    model, (x, index), loss = linear(), samples(6), FreeAT(eps=EPS)
    y = index % 2
    free_step(loss, model, x[:2], y[:2])
    first = loss.state()['noise'].clone()
    assert torch.equal(
        free_step(loss, model, x, y)[:2], (x[:2] + first).clamp(0, 1)
    )  # two places moved, four are new
    whole = loss.state()['noise'].clone()
    free_step(loss, model, x[:1], y[:1])
    assert torch.equal(loss.state()['noise'][1:], whole[1:]) and len(whole) == 6


def test_free_at_moves_its_noise_by_the_first_backward_pass_alone():
    model, (x, index), loss = linear(), samples(4), FreeAT(eps=EPS)
    y = index % 2
    attacked = loss.craft(model, x, y)
    total(loss(model, x, attacked, y)).backward()
    noise, version = loss.state()['noise'].clone(), attacked._version
    with torch.no_grad():
        model.network[1].weight.neg_()
    total(loss(model, x, attacked, y)).backward()
    assert torch.equal(loss.state()['noise'], noise) and attacked._version == version == 0


def test_free_at_goes_on_from_its_state():
    model, (x, index), loss = linear(), samples(4), FreeAT(eps=EPS)
    y = index % 2
    free_step(loss, model, x, y)
    resumed = FreeAT(eps=EPS)
    resumed.load_state(loss.state())
    assert torch.equal(resumed.craft(model, x, y), loss.craft(model, x, y))
    free_step(resumed, model, x, 1 - y)
    assert not torch.equal(resumed.state()['noise'], loss.state()['noise'])  # a copy


def test_an_infinite_gradient_leaves_the_noise_finite():
    model, (x, index), loss = linear(), samples(4), FreeAT(eps=EPS)
    attacked = loss.craft(model, x, index % 2)
    (total(loss(model, x, attacked, index % 2)) * math.inf).backward()
    assert loss.state()['noise'].abs().max() <= EPS
