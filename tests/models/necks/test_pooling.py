import pytest
import torch

pytest.importorskip('mmpretrain')
from mmrobustprune.models.necks import AdaptivePooling


def test_the_mean_of_each_cell_in_the_order_of_channels():
    x = torch.arange(2 * 16.0).reshape(1, 2, 4, 4)
    (pooled,) = AdaptivePooling(2)((x,))
    assert pooled.tolist() == [[2.5, 4.5, 10.5, 12.5, 18.5, 20.5, 26.5, 28.5]]
    first, second = AdaptivePooling(1)((x, x[:, :1]))
    assert first.tolist() == [[7.5, 23.5]] and second.tolist() == [[7.5]]


def test_a_grid_of_nothing_is_refused():
    with pytest.raises(ValueError, match='size=0 is below 1'):
        AdaptivePooling(0)
