"""A mask is made once for as long as its scores stay the same."""

import copy

import torch

from mmrobustprune.mask_search import Scored, top_mask


def counted(layer, monkeypatch):
    made = []
    from mmrobustprune.mask_search import parametrizations

    monkeypatch.setattr(
        parametrizations, 'top_mask', lambda s, k, f: made.append(k) or top_mask(s, k, f)
    )
    return made


def test_the_mask_is_made_once_per_change_of_the_scores(monkeypatch):
    layer, weight = Scored(torch.arange(6.0), 2), torch.ones(6)
    made = counted(layer, monkeypatch)
    for _ in range(5):
        assert layer(weight).tolist() == [0, 0, 0, 0, 1, 1]
    assert made == [2]
    with torch.no_grad():
        layer.scores[0] = 9
    assert layer(weight).tolist() == [1, 0, 0, 0, 0, 1] and layer.hard.dtype == torch.bool
    assert made == [2, 2]


def test_a_mask_first_made_in_inference_mode_serves_training_too():
    layer = Scored(torch.arange(6.0), 2)
    with torch.inference_mode():
        layer(torch.ones(6))
    layer(torch.ones(6)).sum().backward()
    assert layer.scores.grad is not None


def test_a_copy_does_not_take_over_the_mask():
    layer = Scored(torch.arange(6.0), 2)
    with torch.no_grad():
        for _ in range(3):
            layer.scores.mul_(1)
    layer.factor()
    twin = copy.deepcopy(layer)
    with torch.no_grad():
        twin.scores.neg_().add_(5)
        while twin.scores._version < layer.scores._version:
            twin.scores.mul_(1)
    assert twin.hard.tolist() == [True, True, False, False, False, False]
    assert layer.hard.tolist() == [False] * 4 + [True] * 2
