"""The way of the filters into their groups."""

import pytest
import torch

from mmrobustprune.grouped_kernels import Snaking
from mmrobustprune.report.drawings.snaking import draw_snaking
from mmrobustprune.scores.roughness import size


def test_a_real_layer_is_drawn(tmp_path, monkeypatch):
    weight = torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(0)).double()
    labels = Snaking()('x', weight, 4)
    seen = []

    def keep(figure, path):
        seen.append(figure)
        return path

    monkeypatch.setattr('mmrobustprune.report.drawings.snaking.save', keep)
    rough = size(weight).sum(1)
    draw_snaking(tmp_path / 'a.png', rough, labels)
    dealt, sums = seen[0].axes
    (line,) = dealt.lines
    assert [*line.get_xdata()] == [0, 1, 2, 3, 3, 2, 1, 0]
    assert [*line.get_ydata()] == [0] * 4 + [1] * 4
    heights = [bar.get_height() for bar in sums.patches]
    expected = [float(rough[labels == group].sum()) for group in range(4)]
    assert heights == pytest.approx(expected)
