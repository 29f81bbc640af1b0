import pytest
import torch
from torch.nn import functional as F

from mmrobustprune.attack import PGDAT, TRADES, FastAT
from mmrobustprune.attack.loss_base import cross_entropy


def test_the_cross_entropy_is_of_full_precision():
    logits = torch.tensor([[300.0, 0.5], [2.0, 3.0]])
    found = cross_entropy(logits.half(), torch.tensor([1, 1]))
    assert found.dtype == torch.float32
    assert torch.equal(found, F.cross_entropy(logits, torch.tensor([1, 1])))


def test_steps_and_their_length_are_each_losses_own():
    assert PGDAT(step=0.01, steps=7).moves() == (0.01, 7)
    assert FastAT(eps=0.1, stride=1.25).moves() == (0.125, 1)
    assert TRADES().moves() == (2 / 255, 10)


@pytest.mark.parametrize('dtype', ['float16', 'float32', 16])
def test_the_passes_of_an_attack_are_in_bfloat16_or_the_trainings(dtype):
    with pytest.raises(ValueError, match="FastAT got dtype=.*; give 'bfloat16' or None"):
        FastAT(dtype=dtype)


def test_the_start_is_uniform_in_the_ball():
    torch.manual_seed(0)
    x = torch.full((16, 3, 8, 8), 0.5)
    moved = (FastAT(eps=0.1).start(x) - x) / 0.1
    assert moved.abs().max() <= 1
    assert moved.mean().item() == pytest.approx(0, abs=0.05)
    assert moved.var().item() == pytest.approx(1 / 3, rel=0.05)
