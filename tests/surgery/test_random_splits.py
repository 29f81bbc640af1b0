"""On random networks of grouped convolutions, splits and shuffles: removed equals masked."""

import copy

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmrobustprune.cost.count import count
from mmrobustprune.cost.model import CostModel
from mmrobustprune.masks import MaskSet
from mmrobustprune.structure import rebuild
from mmrobustprune.surgery import Structure, certify, trace
from tests.support.splits import BLOCKS, random_blocks
from tests.surgery.test_random_nets import alive, one_step

FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check(kinds, pointwise, seed):
    torch.manual_seed(seed)
    model = random_blocks(kinds, pointwise).double()
    image = torch.randn(2, 3, 5, 5, dtype=torch.float64)
    found = trace(model, image)
    assert found.groups
    masks = MaskSet(model, found.groups)
    left = alive(found.groups, seed)
    masks.remove(left)
    assert certify(masks, image) <= 1e-10
    structure = Structure.from_json(masks.structure('test').to_json())
    small = rebuild(copy.deepcopy(model), structure)
    assert torch.allclose(one_step(model, image)[0], one_step(small, image)[0], rtol=1e-9)
    predicted = CostModel(model, found.groups, found.shapes).count(left)
    real = count(small, image)
    assert (predicted['params'], predicted['macs']) == (real.params, real.macs)
    return found


@pytest.mark.parametrize('kind', BLOCKS)
def test_each_block_alone_loses_channels(kind):
    found = check([kind], True, 3)
    assert list(found.unprunable) == [next(reversed(found.unprunable))]  # the last layer alone


@FEW
@given(
    st.lists(st.sampled_from(sorted(BLOCKS)), min_size=2, max_size=4),
    st.booleans(),
    st.integers(0, 1000),
)
def test_removed_equals_masked(kinds, pointwise, seed):
    check(kinds, pointwise, seed)
