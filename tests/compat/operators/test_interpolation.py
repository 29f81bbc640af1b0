import torch

from mmrobustprune.compat.operators.interpolation import interpolate, points_in_bins


def test_points_are_in_the_middles_of_equal_parts():
    start, extent = torch.tensor(1.0), torch.tensor(6.0)
    assert points_in_bins(start, extent, 2, 0).tolist() == [[1.5, 2.5, 3.5], [4.5, 5.5, 6.5]]
    assert points_in_bins(start, extent, 2, 1).tolist() == [[2.5], [5.5]]
    assert points_in_bins(start, torch.tensor(2.5), 2, 0).shape == (2, 2)
    assert points_in_bins(start, torch.tensor(0.0), 2, 0).shape == (2, 0)


def test_between_four_pixels():
    image = torch.tensor([[[0.0, 2.0], [4.0, 8.0]]])
    y = torch.tensor([[0.0, 0.5, 0.25]])
    x = torch.tensor([[0.5, 0.5, 1.0]])
    assert interpolate(image, y, x).tolist() == [[1.0, 3.5, 3.5]]


def test_the_edge_reaches_one_pixel_out():
    image = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    y = torch.tensor([[-1.0, 2.0, -1.01, 2.01, 0.0]])
    x = torch.tensor([[0.0, 1.0, 0.0, 0.0, -1.5]])
    assert interpolate(image, y, x).tolist() == [[1.0, 4.0, 0.0, 0.0, 0.0]]


def test_each_channel_may_have_its_points():
    image = torch.arange(8.0).view(2, 2, 2)
    zero = torch.zeros(2, 1)
    assert interpolate(image, torch.tensor([[0.0], [1.0]]), zero).tolist() == [[0.0], [6.0]]
