"""Kernels side by side, what is removed left blank."""

import numpy as np
import torch

from mmrobustprune.report.drawings.granularities import draw_granularities, tiles


def test_kernels_stand_by_filter_and_channel():
    weight = torch.arange(8.0).view(2, 2, 1, 2)
    mask = torch.ones_like(weight, dtype=torch.bool)
    mask[0, 1] = False
    board = tiles(weight, mask)
    gap = np.nan
    expected = [
        [0, 1, gap, gap, gap, gap],
        [gap] * 6,
        [4, 5, gap, 6, 7, gap],
        [gap] * 6,
    ]
    np.testing.assert_array_equal(board, expected)


def test_a_panel_per_way(tmp_path):
    weight = torch.randn(4, 3, 3, 3)
    kept = {'all': torch.ones_like(weight) > 0, 'positive': weight > 0}
    file = draw_granularities(tmp_path / 'a.png', weight, kept)
    assert file.stat().st_size > 5000
