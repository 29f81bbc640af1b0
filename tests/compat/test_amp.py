"""Mixed precision on a CPU."""

import pytest
import torch
from mmengine.optim import AmpOptimWrapper
from torch import nn

import mmrobustprune.compat.fixes  # noqa: F401  applies the mends


@pytest.mark.skipif(torch.cuda.is_available(), reason='without a GPU only')
def test_amp_on_a_cpu():
    net = nn.Linear(2, 1)
    wrapper = AmpOptimWrapper(optimizer=torch.optim.SGD(net.parameters(), lr=0.1), dtype='float16')
    before = net.weight.detach().clone()
    with wrapper.optim_context(net):
        out = net(torch.ones(1, 2))
    assert out.dtype == torch.bfloat16
    wrapper.update_params(out.sum())
    assert not torch.equal(net.weight, before)
    wrapper.load_state_dict(wrapper.state_dict())
