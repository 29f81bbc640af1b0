"""Roughness and energy of kernels, written out."""

import torch

from mmrobustprune.scores.roughness import energy, roughness, size


def test_roughness_counts_every_pair_of_neighbours_from_both_ends():
    """1 2 / 3 4: |1-2| + |3-4| + |1-3| + |2-4| + |1-4| + |2-3| = 10 by absolute values."""
    kernel = torch.tensor([[1.0, -2.0], [3.0, 4.0]])
    assert roughness(kernel, power=1) == 20
    assert roughness(kernel) == 2 * (3 + 7 + 8 + 12 + 15 + 5)


def test_constant_and_single_kernels_have_none():
    assert roughness(torch.full((2, 3, 3), 5.0)).tolist() == [0, 0]
    assert roughness(torch.tensor([[[2.0]], [[-3.0]]])).tolist() == [0, 0]


def test_cells_touch_their_eight_neighbours_alone():
    kernel = torch.zeros(3, 3)
    kernel[1, 1] = 1
    assert roughness(kernel) == 16
    kernel = torch.zeros(3, 3)
    kernel[0, 0] = 1
    assert roughness(kernel) == 6


def test_size_is_energy_where_kernels_are_single_cells():
    ones = torch.tensor([[[2.0]], [[-3.0]]])
    assert size(ones).tolist() == energy(ones).tolist() == [4, 9]
    kernel = torch.tensor([[1.0, -2.0], [3.0, 4.0]])
    assert size(kernel) == roughness(kernel) and energy(kernel) == 30
