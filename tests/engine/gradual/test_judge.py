"""A network without units, judged before it has learned to do without them."""

import copy

import pytest
import torch

pytest.importorskip('mmengine')
from mmengine.runner import Runner

from mmrobustprune.dependency.groups import full
from mmrobustprune.engine.gradual.judge import Judge
from mmrobustprune.surgery import trace
from tests.support.small import SmallNet, small


def test_masks_statistics_and_loss_are_of_the_smaller_network_and_the_network_stays(tmp_path):
    torch.manual_seed(0)
    model = SmallNet()
    loader = Runner.build_dataloader(small(tmp_path, recipe='l1norm', target=0.5).train_dataloader)
    groups = trace(model, torch.rand(2, 3, 6, 6)).groups
    before = copy.deepcopy(model.state_dict())
    judge = Judge(model, groups, loader)
    assert judge.images == 24
    dense = judge(full(groups))
    half = full(groups)
    half['last'][:5] = False
    smaller = judge(half)
    assert smaller != dense and judge(full(groups)) == pytest.approx(dense, abs=1e-6)
    assert judge(half) == smaller
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
