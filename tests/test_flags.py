"""Training and gradient flags survive what happens in between."""

import pytest
from torch import nn

from mmrobustprune.flags import flags_restored


def test_every_flag_is_as_before_even_after_an_error():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model[1].eval()
    model[0].bias.requires_grad_(False)
    with pytest.raises(KeyError), flags_restored(model):
        model.eval()
        model[1].train()
        model.requires_grad_(False)
        model[0].bias.requires_grad_(True)
        raise KeyError
    assert [module.training for module in model.modules()] == [True, True, False]
    assert [p.requires_grad for p in model.parameters()] == [True, False, True, True]
