"""Scores by name and config; every one ranks units and filters."""

import pytest
import torch

from mmrobustprune.scores import (
    FPGM,
    SCORES,
    Magnitude,
    Random,
    Score,
    build_score,
)
from tests.scores.nets import gradients, net


def test_build_score():
    assert build_score(dict(type='Magnitude', p=1)) == Magnitude(1)
    assert build_score('Random') == Random(0)
    score = FPGM()
    assert build_score(score) is score
    config = dict(type='Random', seed=3)
    build_score(config)
    assert config == dict(type='Random', seed=3)
    with pytest.raises(ValueError, match="unknown score 'Tailor' .*did you mean 'Taylor'"):
        build_score('Tailor')
    with pytest.raises(ValueError, match="unknown field of score Random 'sed' .*you mean 'seed'"):
        build_score(dict(type='Random', sed=1))
    with pytest.raises(ValueError, match="unknown score 'None'"):
        build_score(dict(p=2))


@pytest.mark.parametrize('name', SCORES)
def test_every_score_ranks_units_and_filters(name):
    model, groups = net()
    gradients(model)
    score = SCORES[name]()
    if score.needs_gradient:
        optimizer = torch.optim.SGD(model.parameters(), 0.0)
        score.watch(model, optimizer, groups)
        optimizer.step()
    if score.images:
        score.look(model, groups, [lambda: model(torch.ones(1, 1, 2, 3)).square().sum()])
    assert isinstance(score, Score)
    assert score(model, groups)['0'].shape == (2,) and not score(model, groups)['0'].requires_grad
    if type(score).filters is not Score.filters:  # otherwise radii follow the norms
        assert score.filters(model, groups)['0'].shape == (2,)
