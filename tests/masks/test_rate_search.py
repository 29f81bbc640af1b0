"""Vectors of rates, judged."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from mmrobustprune.cost.model import CostModel
from mmrobustprune.masks import SearchedSelection
from mmrobustprune.surgery import trace

ONE = torch.ones(1, 1, 2, 2)
FIELDS = dict(budget='channels', scope='layer', normalise='none', min_keep=0.0)


def setup(**fields):
    model = nn.Sequential(nn.Conv2d(1, 10, 1), nn.Conv2d(10, 10, 1), nn.Conv2d(10, 1, 1))
    found = trace(model, ONE)
    cost = CostModel(model, found.groups, found.shapes)
    scores = {group.name: torch.arange(10.0) for group in found.groups}
    return SearchedSelection(cost, **FIELDS, **fields), scores


def test_the_best_vector_is_kept_and_meets_the_target():
    """The judge wants the first layer whole: of 30 vectors the one that leaves most of it wins."""
    selection, scores = setup(vectors=30)
    assert selection.needs_search
    judged = []

    def judge(alive):
        judged.append({name: int(mask.sum()) for name, mask in alive.items()})
        return -float(alive['0'].sum())

    record = selection.search(scores, 0.5, judge)
    best = selection.rated(record['rates'])
    assert len(judged) == len(record['losses']) == 30
    assert all(sum(kept.values()) == 10 for kept in judged)
    assert len({tuple(kept.values()) for kept in judged}) > 3
    assert not best.needs_search
    most = max(kept['0'] for kept in judged)
    assert int(best.plan(scores, 0.5)['0'].sum()) == most
    assert selection.search(scores, 0.5, judge) == record


def test_vectors_that_do_not_meet_the_target_are_left_out():
    selection, scores = setup(vectors=5)
    with pytest.raises(ValueError, match='none of 5 vectors of rates removes 0.525'):
        selection.search(scores, 0.525, lambda alive: 0.0)
    assert int(replace(selection, rates={'0': 0.7}).plan(scores, None)['0'].sum()) == 3
