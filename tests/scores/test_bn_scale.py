"""The scales of batch normalisations."""

import pytest

from mmrobustprune.dependency import Group, Slice
from mmrobustprune.scores import (
    BNScale,
)
from tests.scores.nets import TWO, close, net


def test_batch_normalisation_scale():
    model, groups = net()
    assert close(BNScale()(model, groups)['0'], [0.5, 0.25])
    assert close(BNScale().filters(model, groups)['0'], [0.5, 0.25])
    with pytest.raises(ValueError, match='call filters.model, groups.'):
        BNScale().filters(model)
    bare = Group('2', 1, (Slice('2', 'out', TWO[:1]),))
    with pytest.raises(ValueError, match="group '2' has no batch normalisation"):
        BNScale()(model, [bare])
