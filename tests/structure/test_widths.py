"""Attributes that repeat a width follow it, so that methods beside the forward pass still work."""

import copy

import pytest
import torch
from mmcv.cnn import ConvModule
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from mmrobustprune.masks import MaskSet
from mmrobustprune.structure import Structure, rebuild
from mmrobustprune.structure.widths import repeated_widths
from mmrobustprune.surgery import prune_channels, trace
from tests.support.networks import every_third_dead

IMAGE = torch.randn(2, 3, 8, 8)


class Fusable(nn.Module):
    """Two parallel convolutions that a method turns into one, as RepVGG does."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.n = 2 * out_channels  # no name for a width, but read by `fuse`
        self.expansion = out_channels  # read by the constructor alone
        self.wide = nn.Sequential(
            nn.Conv2d(in_channels, 2 * out_channels, 1),
            nn.Conv2d(2 * out_channels, out_channels, 1),
        )
        self.one = nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=1))
        self.two = nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=1))
        self.build()
        self.fused = None

    def build(self):
        self.expansion += 0

    def forward(self, x):
        return self.wide(x) + (self.one(x) + self.two(x) if self.fused is None else self.fused(x))

    def fuse(self):
        fused = nn.Conv2d(self.in_channels, self.out_channels, 3, padding=1)
        fused.weight.data = self.one[0].weight.data + self.two[0].weight.data
        fused.bias.data = self.one[0].bias.data + self.two[0].bias.data
        assert torch.zeros(1, self.n, 1, 1).shape[1] == self.wide[1].in_channels
        self.fused = fused


class Net(nn.Module):
    """Fusable blocks of one width; the head's classes are as many as its features."""

    def __init__(self, width=8):
        super().__init__()
        self.first = Fusable(3, width)
        self.second = Fusable(width, width)
        self.third = Fusable(width, 12)
        self.head = nn.Conv2d(12, width, 1)
        self.num_classes = width
        self.num_features = 12

    def forward(self, x):
        x = self.first(x).relu()
        x = self.second(x).relu()
        return self.head(self.third(x).relu())


def test_blocks_fuse_after_pruning():
    torch.manual_seed(0)
    model = Net().double()
    prune_channels(model, IMAGE.double(), 0.5, scope='layer')
    blocks = (model.first, model.second, model.third)
    before = model(IMAGE.double())
    for block in blocks:
        layer = block.one[0]
        assert (block.in_channels, block.out_channels) == (layer.in_channels, layer.out_channels)
        assert block.n == block.wide[0].out_channels
        block.fuse()
    assert torch.allclose(model(IMAGE.double()), before, rtol=0, atol=1e-12)
    assert [block.expansion for block in blocks] == [8, 8, 12]
    assert model.num_classes == 8
    assert model.num_features == model.third.one[0].out_channels < 12


class Attention(nn.Module):
    """Heads that are as many as the hidden channels; embed_dims is what comes in and goes out."""

    def __init__(self, embed_dims=6, feedforward_channels=4, num_heads=4):
        super().__init__()
        self.embed_dims = embed_dims
        self.feedforward_channels = feedforward_channels
        self.num_heads = num_heads
        self.hidden = nn.Linear(embed_dims, feedforward_channels)
        self.out = nn.Linear(feedforward_channels, embed_dims)

    def forward(self, x):
        return self.out(self.hidden(x).relu()).view(len(x), self.num_heads, -1).flatten(1)

    def describe(self):
        return self.num_heads, self.embed_dims


def test_what_equals_a_width_by_chance_stays():
    model = nn.Sequential(nn.Linear(3, 5), Attention(5, 4, num_heads=4))
    model[1].out = nn.Linear(4, 8)
    structure = Structure(
        {
            '0': dict(kind='linear', shape=[5, 3], out=[0, 2, 4]),
            '1.hidden': dict(kind='linear', shape=[4, 5], out=[0, 1], **{'in': [0, 2, 4]}),
            '1.out': dict(kind='linear', shape=[8, 4], **{'in': [0, 1]}),
        },
        'test',
    )
    rebuild(model, structure)
    assert model[1].feedforward_channels == 2 and model[1].num_heads == 4
    assert model(torch.randn(2, 3)).shape == (2, 8)


def test_a_width_that_only_some_layers_lose_stays_unless_the_name_says_which():
    block = nn.Sequential(nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 1))
    block.dim = block.in_channels = block.out_channels = block.mid_channels = 6
    structure = Structure(
        {
            '0': dict(kind='conv', shape=[6, 6, 1, 1], out=[0, 1, 5]),
            '1': dict(kind='conv', shape=[6, 6, 1, 1], **{'in': [0, 1, 5]}),
        },
        'test',
    )
    rebuild(block, structure)
    assert (block.dim, block.in_channels, block.out_channels, block.mid_channels) == (6, 6, 6, 6)
    structure.layers['1']['out'] = [0, 1, 2, 3]
    again = nn.Sequential(nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 1))
    again.in_channels = again.out_channels = 6
    rebuild(again, structure)
    assert (again.in_channels, again.out_channels) == (6, 4)


def test_wrappers_of_convolutions_follow():
    mmcv = pytest.importorskip('mmcv.cnn')
    model = nn.Sequential(
        mmcv.ConvModule(3, 8, 3, padding=1, norm_cfg=dict(type='BN')),
        mmcv.DepthwiseSeparableConvModule(8, 12, 3, padding=1, norm_cfg=dict(type='BN')),
        mmcv.ConvModule(12, 2, 1),
    )
    prune_channels(model, IMAGE, 0.5)
    wrappers = [module for module in model.modules() if isinstance(module, mmcv.ConvModule)]
    assert len(wrappers) == 4
    for wrapper in wrappers:
        conv = wrapper.conv
        assert (wrapper.in_channels, wrapper.out_channels) == (conv.in_channels, conv.out_channels)


BACKBONES = {
    'RepVGG': (dict(type='RepVGG', arch='A0', out_indices=(3,)), 1280),
    'RepVGG in groups': (
        dict(
            type='RepVGG',
            arch=dict(
                num_blocks=[1, 2, 2, 1],
                width_factor=[0.25] * 4,
                group_layer_map={2: 2, 3: 16, 5: 4},  # equal numbers of each, or whole groups
                se_cfg=None,
                stem_channels=16,
            ),
            out_indices=(3,),
        ),
        128,
    ),
    'MobileOne': (dict(type='MobileOne', arch='s0', out_indices=(3,)), 1024),
}


def reparameterizable(name):
    from mmengine.registry import init_default_scope
    from mmpretrain.registry import MODELS

    init_default_scope('mmpretrain')
    backbone, width = BACKBONES[name]
    torch.manual_seed(0)
    return MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=backbone,
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=4, in_channels=width, topk=(1,)),
        )
    ).eval()


@pytest.mark.parametrize('name', BACKBONES)
def test_reparameterization_of_a_pruned_network_gives_equal_outputs(name):
    pytest.importorskip('mmpretrain')
    dense = reparameterizable(name).double()
    image = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    found = trace(dense, image)
    model = copy.deepcopy(dense)
    masks = MaskSet(model, found.groups)
    masks.remove(every_third_dead(found.groups))
    structure = masks.structure('test')
    rebuild(model, structure)
    loaded = rebuild(dense, structure)
    loaded.load_state_dict(model.state_dict())
    with torch.no_grad():
        before = model(image)
        for one in (model, loaded):
            one.backbone.switch_to_deploy()
            scale = before.abs().max()
            assert (one(image) - before).abs().max() <= 1e-10 * scale


def test_numbers_that_are_no_widths_stay():
    """A loss reads them, and they are as large as a width."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        head = MODELS.build(
            dict(
                type='mmdet.GFLHead',
                num_classes=3,
                in_channels=16,
                feat_channels=16,
                stacked_convs=1,
                reg_max=16,
                norm_cfg=dict(type='BN'),
                anchor_generator=dict(
                    type='AnchorGenerator',
                    ratios=[1.0],
                    octave_base_scale=8,
                    scales_per_octave=1,
                    strides=[8],
                ),
            )
        )
    layers = {
        name: dict(kind='conv', shape=list(layer.weight.shape), out=list(range(10)))
        for name, layer in head.named_modules()
        if isinstance(layer, nn.Conv2d) and name.endswith('convs.0.conv')
    }
    assert len(layers) == 2
    changed = {name for _, name, _ in repeated_widths(head, Structure(layers, 'test'))}
    assert changed == {'out_channels', 'feat_channels'}


def test_a_normalisation_in_front_is_not_the_output():
    block = ConvModule(8, 8, 3, order=('norm', 'conv', 'act'), norm_cfg=dict(type='BN'))
    layers = {
        'conv': dict(kind='conv', shape=[8, 8, 3, 3], out=[0, 1], **{'in': [0, 1, 2, 3, 4]}),
        'bn': dict(kind='norm', shape=[8], out=[0, 1, 2, 3, 4]),
    }
    found = {
        name: new
        for module, name, new in repeated_widths(block, Structure(layers, 'test'))
        if module is block
    }
    assert found == {'in_channels': 5, 'out_channels': 2}


class Decoder(nn.Module):
    """A stream of embeddings, and a head of its width inside, registered last."""

    def __init__(self, dims=8):
        super().__init__()
        self.embed_dims = dims
        self.image = nn.BatchNorm2d(dims)
        self.layer = nn.Linear(dims, dims)
        self.norm = nn.LayerNorm(dims)
        self.head = nn.Linear(dims, dims)


@pytest.mark.parametrize('stream, found', [(range(8), []), (range(6), [6])])
def test_an_embedding_has_the_width_that_its_norms_have(stream, found):
    stream = list(stream)
    layers = {
        'image': dict(kind='norm', shape=[8], out=[1, 2, 3]),
        'layer': dict(kind='linear', shape=[8, 8], out=stream, **{'in': stream}),
        'norm': dict(kind='layernorm', shape=[8], out=stream),
        'head': dict(kind='linear', shape=[8, 8], out=[0, 1], **{'in': stream}),
    }
    model = Decoder()
    widths = repeated_widths(model, Structure(layers, 'test'))
    assert [new for module, _, new in widths if module is model] == found


class Pixels(nn.Module):
    """Names the width of the encoder inside; a convolution of that width comes after it."""

    def __init__(self, dims=8):
        super().__init__()
        self.encoder_embed_dims = dims
        self.encoder = nn.Sequential(nn.Linear(dims, dims), nn.LayerNorm(dims))
        self.encoder_out = nn.Conv2d(dims, dims, 1)
        self.norm = nn.GroupNorm(2, dims)


@pytest.mark.parametrize('encoder, found', [(range(8), []), (range(6), [6])])
def test_an_attribute_named_after_a_child_has_its_width(encoder, found):
    kept = list(encoder)
    layers = {
        'encoder.0': dict(kind='linear', shape=[8, 8], out=kept),
        'encoder.1': dict(kind='layernorm', shape=[8], out=kept),
        'encoder_out': dict(kind='conv', shape=[8, 8, 1, 1], out=[0, 4]),
        'norm': dict(kind='groupnorm', shape=[8], out=[0, 4]),
    }
    model = Pixels()
    widths = repeated_widths(model, Structure(layers, 'test'))
    assert [new for module, _, new in widths if module is model] == found


class Levels(nn.Module):
    """Levels whose widths stand in a list, as in backbones of OpenMMLab."""

    def __init__(self):
        super().__init__()
        self.num_features = [8, 6]
        self.in_channels = (3, 8)
        self.num_heads = [8, 6]
        self.first = nn.Conv2d(3, 8, 1)
        self.second = nn.Conv2d(8, 6, 1)
        self.head = nn.Conv2d(6, 2, 1)

    def forward(self, x):
        x = self.second(self.first(x))
        return self.head(x.view(len(x), self.num_features[1], *x.shape[2:]))


def test_lists_of_widths_follow_number_by_number():
    model = Levels()
    masks = MaskSet(model, trace(model, IMAGE, lambda m, x: m.head(m.second(m.first(x)))).groups)
    masks.remove(every_third_dead(masks.groups))
    widths = model.num_features
    rebuild(model, masks.structure('test'))
    assert (model.num_features, model.in_channels) == ([5, 4], (3, 5))
    assert (model.num_heads, widths) == ([8, 6], [8, 6])
    model(IMAGE)
