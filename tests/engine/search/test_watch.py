"""What a search warns of: scores that grow tenfold, and filters without a weight."""

import torch

from mmrobustprune.engine.search.watch import SearchWatch, dead_filters
from mmrobustprune.mask_search import HYDRA
from tests.mask_search.nets import small


def test_each_layer_is_told_of_once():
    network = HYDRA(0.5).attach(small())
    watch = SearchWatch(network)
    assert watch.look(network) == []
    with torch.no_grad():
        network.layers['stem'].scores.mul_(11)
        network.layers['one.conv2'].scores[:4] *= 1e-3
    lines = watch.look(network)
    assert len(lines) == 2
    assert "the scores of 'stem' have grown 11 times" in lines[0]
    assert lines[1].startswith("4 of 8 filters of 'one.conv2' have no weight left")
    assert 'keep_filters=True' in lines[1] and watch.look(network) == []
    other = SearchWatch(network)
    other.load_state_dict(watch.state_dict())
    assert other.look(network) == []


def test_no_filter_dies_where_none_may():
    network = HYDRA(0.5, keep_filters=True).attach(small())
    with torch.no_grad():
        network.layers['one.conv2'].scores[:4] *= 1e-3
    assert set(dead_filters(network).values()) == {0}
    assert network.kept()['one.conv2'] == int(network.masks()['one.conv2'].sum()) == 288
