"""Losses by name, and those of attacked images alone on a linear model."""

import math

import pytest
import torch
from torch.nn import functional as F

from mmrobustprune.attack import PGDAT, FastAT, build_robust_loss
from mmrobustprune.attack.losses import LOSSES
from tests.attack.nets import linear, samples, worst_corner

EPS = 8 / 255


def test_fast_at_on_a_linear_model():
    """One step of 1.25 eps from a uniform start, which is cut to [0, 1] as the result is."""
    model, (x, index) = linear(), samples()
    y = index % 2
    torch.manual_seed(3)
    attacked = FastAT(eps=EPS).craft(model, x, y)
    torch.manual_seed(3)
    low, high = (x - EPS).clamp(0), (x + EPS).clamp(max=1)
    start = torch.clamp(x + EPS * (2 * torch.rand_like(x) - 1), low, high)
    assert torch.allclose(
        attacked, torch.clamp(start + 1.25 * EPS * worst_corner(model, x, y), low, high), atol=1e-6
    )


def test_pgd_at_on_a_linear_model_ends_in_the_corner():
    model, (x, index) = linear(), samples()
    y = index % 2
    attacked = PGDAT(eps=EPS).craft(model, x, y)
    assert torch.allclose(attacked, (x + EPS * worst_corner(model, x, y)).clamp(0, 1), atol=1e-6)
    losses = PGDAT()(model, x, attacked, y)
    assert torch.equal(losses['loss_robust'], F.cross_entropy(model(attacked), y))


def test_every_loss_is_built_by_its_name_with_fractions_as_text():
    for name, kind in LOSSES.items():
        assert type(build_robust_loss(dict(type=name))) is kind
    built = build_robust_loss(
        dict(type='TRADES', beta=1, eps='4/255', step='1/255', steps=3, _scope_='mmpretrain')
    )
    assert (built.beta, built.eps, built.step, built.steps) == (1, 4 / 255, 1 / 255, 3)
    assert build_robust_loss(built) is built


@pytest.mark.parametrize(
    'given, sentence',
    [
        (
            dict(type='TRADES', eps=8),
            'TRADES got eps=8; pixels lie in [0, 1] here, so write 8/255 for 8 grey levels.',
        ),
        (dict(type='PGDAT', step=2), 'PGDAT got step=2; pixels lie in [0, 1] here, so write 2/255'),
        (dict(type='FreeAT', eps='4'), 'FreeAT got eps=4; pixels lie in [0, 1]'),
        (dict(type='TRADES', beta=-1), 'TRADES got beta=-1; give a number of at least 0.'),
        (dict(type='PGDAT', steps=2.5), 'PGDAT got steps=2.5; give a whole number of at least 1.'),
        (dict(type='FastAT', eps=math.nan), 'FastAT got eps=nan; give a number'),
        (dict(type='TRADES', eps='a/255'), "'a/255' is no number; give one such as 0.03 or 8/255."),
        (
            dict(type='TRADE'),
            "unknown robust loss 'TRADE' (did you mean 'TRADES'?); choose among TRADES, PGDAT,",
        ),
        (dict(type='FreeAT', replays=4), "unknown field of robust loss FreeAT 'replays'"),
    ],
)
def test_wrong_settings_are_refused_in_one_sentence(given, sentence):
    with pytest.raises(ValueError) as error:
        build_robust_loss(given)
    assert sentence in str(error.value)


def test_what_is_no_loss_is_refused():
    with pytest.raises(TypeError, match="'TRADES' is no robust loss; write robust_loss=dict"):
        build_robust_loss('TRADES')
