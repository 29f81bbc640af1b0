"""One convolution as grouped kernels, and the score of a choice among them."""

import pytest
import torch

from mmrobustprune.grouped_kernels import Beam, GroupedKernels, arrange, score
from mmrobustprune.grouped_kernels.kernels import METRICS
from tests.grouped_kernels.cases import similarity
from tests.support.grouped_reference import Search
from tests.support.grouped_reference import score as slow_score


def test_cost_and_score_are_the_same_order():
    """Cost = pairs - beta * others - score: the least cost is the largest score."""
    close, rough = similarity(1, 6, 4096, 5)
    search = Search(close[0].tolist(), rough[0].tolist(), 3)
    for members in ((0, 1, 2), (1, 3, 5), (0, 4, 5)):
        beta = 3 / 3
        expected = 3 - beta * 3 - slow_score((1 - close[0]).tolist(), members)
        assert search.cost(members) == pytest.approx(expected)
        assert float(score(close, torch.tensor([members]))) == pytest.approx(
            slow_score((1 - close[0]).tolist(), members)
        )
        assert float(score(close, torch.tensor([members]), 2.0)) == pytest.approx(
            slow_score((1 - close[0]).tolist(), members, 2.0)
        )


def test_similarity_is_the_exact_distance():
    generator = torch.Generator().manual_seed(0)
    kernels = arrange('x', torch.randn(8, 5, 3, 3, generator=generator), torch.arange(8).flip(0), 2)
    assert isinstance(kernels, GroupedKernels) and kernels.weight.dtype == torch.float64
    vectors = (
        kernels.weight[1].transpose(0, 1).flatten(1)
    )  # the second group holds the first filters
    expected = 1 - (vectors[:, None] - vectors).square().sum(-1).sqrt()
    assert torch.allclose(kernels.similarity[1], expected, atol=1e-14, rtol=0)
    assert (kernels.similarity.diagonal(dim1=1, dim2=2) == 1).all()


def test_distances_by_other_metrics():
    """(3, 4) and (0, 0), (4, -3): 5, 7, 4 from the origin; at right angles to each other."""
    weight = torch.tensor([[3.0, 4.0], [0.0, 0.0], [4.0, -3.0]]).view(1, 3, 1, 2)
    kernels = arrange('x', weight, torch.arange(1), 1)
    distance = {name: 1 - kernels.similarity_by(name)[0] for name in METRICS}
    assert {name: round(float(d[0, 1]), 9) for name, d in distance.items()} == {
        'euclidean': 5,
        'manhattan': 7,
        'chebyshev': 4,
        'cosine': 1,
    }
    assert distance['cosine'][0, 2] == 1 and not distance['cosine'].diagonal().any()


def test_the_search_takes_its_metric():
    weight = torch.tensor([[0.0, 0.0], [4.0, 4.0], [5.5, 0.0]]).view(1, 3, 1, 2)
    kernels = arrange('x', weight, torch.arange(1), 1)
    kept = {name: Beam(metric=name)(kernels, 2).tolist() for name in ('manhattan', 'chebyshev')}
    assert kept == {'manhattan': [[0, 1]], 'chebyshev': [[0, 2]]}
    with pytest.raises(ValueError, match="unknown metric 'euclid'.*did you mean 'euclidean'"):
        Beam(metric='euclid')
