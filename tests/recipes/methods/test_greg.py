"""A growing penalty on the filters that go."""

import pytest
import torch
from torch import nn

from mmrobustprune.dependency.groups import part_of
from mmrobustprune.recipes.build import build_recipe
from mmrobustprune.recipes.methods.greg import GrowingL2
from mmrobustprune.surgery import trace


def test_the_strength_grows_in_steps_to_its_ceiling():
    penalty = GrowingL2(ceiling=1.0, delta=0.25)
    assert [penalty.strength(done) for done in (0, 0.2, 0.25, 0.6, 1)] == [0, 0, 0.25, 0.5, 1]
    later = GrowingL2(ceiling=1.0, delta=0.25, start=0.5)
    assert [later.strength(done) for done in (0, 0.5, 1)] == [0.5, 0.75, 1]
    assert GrowingL2(1.0, 0.1, start=1.0).strength(0.3) == 1


def test_its_gradient_is_strength_times_the_chosen_weights():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 1, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([3.0, -4.0]).view(2, 1, 1, 1))
    (group,) = trace(model, torch.ones(1, 1, 2, 2)).groups
    chosen = part_of(group, torch.tensor([False, True]))
    assert chosen.units == 1
    loss = GrowingL2(ceiling=1.0, delta=0.5)(model, (chosen,), 0.5)
    assert float(loss) == pytest.approx(0.5 / 2 * 16)
    loss.backward()
    assert model[0].weight.grad.flatten().tolist() == [0, -2]
    assert model[1].weight.grad is None and model[0].bias.grad is None


def test_the_second_tells_filters_apart_before_it_chooses():
    one = build_recipe(dict(recipe='greg1', target=0.5)).phases()
    two = build_recipe(dict(recipe='greg2', target=0.5)).phases()
    assert [phase.name for phase in one] == ['grow', 'hold', 'prune', 'finetune']
    assert [phase.name for phase in two] == ['separate', 'grow', 'hold', 'prune', 'finetune']
    assert [phase.chooses for phase in two] == [False, True, False, False, False]
    assert two[0].penalty == GrowingL2(0.01, 1e-5)
    assert (one[0].penalty.start, two[1].penalty.start) == (0.0, 0.01)
    assert one[1].penalty.strength(0) == two[2].penalty.strength(0.5) == 1.0
