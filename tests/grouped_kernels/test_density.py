"""Clusters of equal size that grow where filters lie dense."""

import torch

from mmrobustprune.grouped_kernels import DBSCAN


def on_a_line(*places):
    return torch.tensor(places).double().view(-1, 1, 1, 1)


def test_a_full_cluster_leaves_its_neighbours_to_the_next():
    """Three at 0, one at 0.3, two at 1: the group at 0 is full before it gets to 0.3."""
    weight = on_a_line(0.0, 1.0, 0.01, 0.3, 1.01, 0.02)
    assert DBSCAN(neighbours=1)('x', weight, 2).tolist() == [0, 1, 0, 1, 1, 0]


def test_a_chain_is_one_cluster_where_centres_would_part_it():
    """Steps of 1 along a line, and equal filters beyond its end."""
    chain = [float(step) for step in range(6)]
    clump = [7.5] * 6
    labels = DBSCAN(neighbours=1)('x', on_a_line(*chain, *clump), 2).tolist()
    assert labels == [1] * 6 + [0] * 6


def test_equal_filters_are_dealt_out_evenly():
    assert DBSCAN()('x', torch.ones(6, 2, 3, 3).double(), 3).bincount().tolist() == [2, 2, 2]
