"""Attacks for training: what they leave as it was, which random numbers they take."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from mmrobustprune.attack import MART, PGDAT, TRADES, FastAT, climb
from tests.attack.nets import linear, samples, small

ATTACKING = [TRADES(), PGDAT(), FastAT(), MART()]


def labelled(count=8, classes=5):
    x, index = samples(count)
    return x, index % classes


class Scaled(nn.Module):
    """A parametrization that counts how often the weight is computed."""

    def __init__(self, like):
        super().__init__()
        self.scale = nn.Parameter(torch.ones_like(like))
        self.computed = 0

    def forward(self, weight):
        self.computed += 1
        return weight * self.scale


def scaled(model):
    """The model with its convolution parametrized, and the parametrization."""
    conv = model.network[0]
    parametrize.register_parametrization(conv, 'weight', Scaled(conv.weight))
    part = conv.parametrizations.weight[0]
    part.computed = 0  # registering computes it
    return part


@pytest.mark.parametrize('loss', ATTACKING, ids=lambda loss: type(loss).__name__)
def test_the_attack_stays_in_the_ball_and_among_images(loss):
    model, (x, y) = small().train(), labelled()
    attacked = loss.craft(model, x, y)
    assert (
        (attacked - x).abs().max() <= loss.eps + 1e-7
        and 0 <= attacked.min()
        and attacked.max() <= 1
    )
    assert (attacked - x).abs().mean() > loss.eps / 4 and not attacked.requires_grad


@pytest.mark.parametrize('loss', ATTACKING, ids=lambda loss: type(loss).__name__)
def test_the_model_is_afterwards_what_it_was(loss):
    """Dropout is in another mode than the rest, one weight is frozen, one has a gradient."""
    model, (x, y) = small().train(), labelled()
    model.network[3].eval()
    model.network[0].bias.requires_grad_(False)
    model.network[5].weight.grad = torch.full_like(model.network[5].weight, 7.0)
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    flags = [p.requires_grad for p in model.parameters()]
    seen = []
    model.network[1].register_forward_hook(
        lambda module, *_: seen.append((module.training, module.weight.requires_grad))
    )
    loss.craft(model, x, y)
    assert set(seen) == {(False, False)}
    assert [m.training for m in model.modules()] == modes and [
        p.requires_grad for p in model.parameters()
    ] == flags
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert (model.network[5].weight.grad == 7).all()
    assert all(p.grad is None for name, p in model.named_parameters() if name != 'network.5.weight')


def test_evaluation_mode_makes_images_independent_of_each_other():
    model, (x, y) = small().train(), labelled()
    torch.manual_seed(0)
    whole = PGDAT(steps=2).craft(model, x, y)
    torch.manual_seed(0)
    assert torch.allclose(PGDAT(steps=2).craft(model, x[:1], y[:1]), whole[:1], atol=1e-6)


def test_parametrized_weights_are_computed_once_and_not_left_behind():
    model, (x, y) = small().train(), labelled()
    part = scaled(model)
    with parametrize.cached():  # as around a whole training step
        TRADES(steps=3).craft(model, x, y)
        assert part.computed == 1
        model(x).sum().backward()
        assert part.computed == 2 and part.scale.grad is not None
        TRADES(steps=3).craft(model, x, y)
        model(x)
        assert part.computed == 3  # the outer cache still holds the weight with its graph
    model(x)
    assert part.computed == 4 and parametrize._cache_enabled == 0 and not parametrize._cache


def test_a_weight_with_a_graph_is_not_attacked_in_its_stead():
    """The outer cache may hold a weight of before an update."""
    model, (x, y) = small().train(), labelled()
    part = scaled(model)
    with parametrize.cached():
        model(x)
        with torch.no_grad():
            part.scale.neg_()
        torch.manual_seed(0)
        attacked = PGDAT(steps=1).craft(model, x, y)
    torch.manual_seed(0)
    assert torch.equal(attacked, PGDAT(steps=1).craft(model, x, y))


@pytest.mark.parametrize(
    'loss', [TRADES(steps=1), PGDAT(steps=1)], ids=lambda loss: type(loss).__name__
)
def test_confident_images_move_under_half_precision(loss):
    """p - 1 of a confident image is zero in float16."""
    model, (x, _) = small(), labelled()
    with torch.no_grad():
        model.network[5].weight.mul_(60)
        y = model.eval()(x).argmax(1)
    torch.manual_seed(0)
    whole = loss.craft(model, x, y)
    torch.manual_seed(0)
    with torch.autocast('cpu', dtype=torch.float16):
        half = loss.craft(model, x, y)
    assert torch.equal(half, whole)


@pytest.mark.parametrize('loss', [TRADES, PGDAT, FastAT, MART])
def test_an_attack_in_bfloat16_raises_its_objective_as_much(loss):
    """Gradients keep their range; single signs differ."""
    model, (x, y) = small().eval(), labelled(64)
    risen = {}
    for dtype in (None, 'bfloat16'):
        torch.manual_seed(0)
        made = loss(dtype=dtype)
        attacked = made.craft(model, x, y)
        assert attacked.dtype == torch.float32 and (attacked - x).abs().max() <= made.eps + 1e-7
        objective = made.objective(model, x, y)
        risen[dtype] = (objective(model(attacked)) - objective(model(x))).item()
    assert risen[None] > 0 and abs(risen['bfloat16'] / risen[None] - 1) < 0.05


def test_the_passes_of_an_attack_in_bfloat16_are():
    model, (x, y), seen = small(), labelled(), []
    model.network[2].register_forward_hook(lambda module, args, output: seen.append(output.dtype))
    PGDAT(steps=2, dtype='bfloat16').craft(model, x, y)
    assert set(seen[1:]) == {torch.bfloat16}  # the first one looks what follows what
    seen.clear()
    model(x)
    assert seen == [torch.float32]
    with pytest.raises(ValueError, match="PGDAT got dtype='float16'; give 'bfloat16' or None"):
        PGDAT(dtype='float16')


def test_random_numbers_come_from_the_generator_that_a_resume_restores():
    model, (x, y) = small(), labelled()
    ends = []
    for _ in range(2):
        torch.manual_seed(5)
        ends.append((TRADES(steps=1).craft(model, x, y), torch.rand(())))
    assert torch.equal(ends[0][0], ends[1][0]) and ends[0][1] == ends[1][1]
    torch.manual_seed(5)
    assert torch.rand(()) != ends[0][1]  # they were drawn from it


def test_under_no_grad_the_attack_is_the_same():
    model, (x, y) = small(), labelled()
    torch.manual_seed(5)
    free = TRADES(steps=2).craft(model, x, y)
    torch.manual_seed(5)
    with torch.no_grad():
        assert torch.equal(TRADES(steps=2).craft(model, x, y), free)


def test_a_climb_on_a_linear_objective_ends_in_the_corner():
    """w.x rises most at x + eps sign(w), cut to [0, 1]."""
    model, (x, _) = linear(normalise=False), samples(4)
    weight = model.network[1].weight[0].reshape(3, 4, 4)
    point = climb(model, x, x, lambda logits: logits[:, 0].sum(), eps=0.1, step=0.04, steps=3)
    assert torch.allclose(point, (x + 0.1 * weight.sign()).clamp(0, 1), atol=1e-6)
