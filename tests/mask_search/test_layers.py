"""Which layers get scores, and what stands still."""

import warnings

import pytest
import torch
from torch import nn

from mmrobustprune.mask_search import HYDRA, Kept, keep_only
from tests.mask_search.nets import LAYERS, small


def scored(**fields):
    model = small()
    return model, HYDRA(**dict(dict(target=0.9), **fields)).attach(model)


def test_layers_can_be_left_dense_but_stand_still():
    model, network = scored(ignore=['fc', '*.short'])
    assert list(network.layers) == [name for name in LAYERS if name not in ('fc', 'two.short')]
    assert (
        model.fc.weight.all()
        and not model.fc.weight.requires_grad
        and not model.fc.bias.requires_grad
    )


def test_constant_convolutions_are_no_weights():
    model = small()
    model.two.short.fixed = True
    assert 'two.short' not in HYDRA(0.5).attach(model).layers


def test_flags_come_back_as_they_were():
    model = small()
    model.stem.weight.requires_grad_(False)
    HYDRA(0.5).attach(model).bake()
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == [
        'stem.parametrizations.weight.original'
    ]


def spoil(model, kind):
    with torch.no_grad():
        if kind == 'nan':
            model.two.conv1.weight[0, 0, 0, 0] = float('nan')
        elif kind == 'zero':
            model.two.conv1.weight.zero_()
        elif kind == 'shared':
            model.two.conv2.weight = model.one.conv1.weight
        elif kind == 'twice':
            HYDRA(0.5).attach(model)


@pytest.mark.parametrize(
    'kind, words',
    [
        ('nan', "weight of 'two.conv1' holds infinite or NaN values; load weights"),
        ('zero', "weights of 'two.conv1' are all zero.*'two.conv1' into ignore"),
        ('shared', "'two.conv2' shares its weight with 'one.conv1'"),
        ('twice', "weight of 'stem' is already parametrized"),
    ],
)
def test_layers_that_cannot_be_scored_are_named_and_nothing_changes(kind, words):
    model = small()
    spoil(model, kind)
    before = [p.requires_grad for p in model.parameters()], list(model.state_dict())
    with pytest.raises(ValueError, match=words):
        HYDRA(0.5).attach(model)
    assert before == ([p.requires_grad for p in model.parameters()], list(model.state_dict()))


def test_no_layer_left_and_patterns_that_match_nothing():
    with pytest.raises(ValueError, match='no convolution or linear layer is left'):
        HYDRA(0.5, ignore=['*']).attach(small())
    with pytest.raises(ValueError, match="pattern 'hed' matches no layer"):
        HYDRA(0.5, ignore=['hed']).attach(small())


def test_attention_whose_weights_are_no_layers_is_named():
    model = nn.TransformerEncoderLayer(8, 2, 16)
    with pytest.warns(UserWarning, match="weights of 'self_attn' are no linear layers"):
        network = HYDRA(0.5).attach(model)
    assert list(network.layers) == ['self_attn.out_proj', 'linear1', 'linear2']
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        HYDRA(0.5, ignore=['self_attn']).attach(nn.TransformerEncoderLayer(8, 2, 16))


def test_masks_that_do_not_fit_are_refused():
    model, _ = scored()
    plain, mask = small(), torch.ones(4, 12, dtype=torch.bool)
    for masks, words in (
        ({'head': mask}, "another network: 'head' has shape .4, 12. there.* no such layer"),
        (
            {'fc': mask[:, :3]},
            r"another network: 'fc' has shape \(4, 3\).*weight of shape \(4, 12\)",
        ),
        ({'fc': ~mask}, "mask of 'fc' leaves no weight"),
    ):
        with pytest.raises(ValueError, match=words):
            keep_only(plain, masks)
    keep_only(plain, {'fc': mask})
    assert isinstance(plain.fc.parametrizations.weight[0], Kept)
