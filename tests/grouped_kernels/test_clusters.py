"""Groups of similar filters."""

import pytest
import torch

from mmrobustprune.grouped_kernels import (
    Clustered,
)
from mmrobustprune.grouped_kernels.clusters import EMBEDDINGS


@pytest.mark.parametrize('embedding', EMBEDDINGS)
def test_clusters_are_found(embedding):
    centres = 5 * torch.randn(3, 4, 3, 3, generator=torch.Generator().manual_seed(0)).double()
    truth = torch.arange(24) % 3
    weight = centres[truth] + 0.1 * torch.randn(
        24, 4, 3, 3, generator=torch.Generator().manual_seed(1)
    )
    labels = Clustered(embedding)('x', weight, 3)
    assert len({(a, b) for a, b in zip(labels.tolist(), truth.tolist(), strict=True)}) == 3


def test_equal_filters_can_be_clustered():
    assert torch.bincount(Clustered()('x', torch.ones(6, 2, 3, 3).double(), 3)).tolist() == [
        2,
        2,
        2,
    ]
