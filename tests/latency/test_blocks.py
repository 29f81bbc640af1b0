"""What a block is, and that the replayed block is the network's own work."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from mmrobustprune.latency import LatencyModel, Network, record_blocks
from mmrobustprune.latency.blocks import callable_block
from mmrobustprune.surgery import trace
from tests.latency.fake import Bottlenecks, measured


def tails(model, example):
    found = {}
    for block in record_blocks(model, example):
        found[block.name] = [name for name, _ in block.signature.tail]
    return found


def test_normalisation_activation_and_sum_belong_to_the_layer_before():
    found = tails(Bottlenecks(), torch.randn(2, 3, 8, 8))
    assert found == {
        'stem.0': ['batch_norm', 'relu'],
        'first.0.0': ['batch_norm', 'relu'],
        'first.2.0': ['batch_norm', 'relu'],
        'first.4.0': ['batch_norm'],
        'short.0': ['batch_norm', 'add', 'relu'],
        'second.0.0': ['batch_norm', 'relu'],
        'second.2.0': ['batch_norm', 'relu'],
        'second.4.0': ['batch_norm', 'add', 'relu'],
        'depth': ['hardtanh'],
        'head': [],
    }


def test_equal_shapes_share_a_signature_and_others_do_not():
    blocks = {block.name: block for block in record_blocks(Bottlenecks(), torch.randn(2, 3, 8, 8))}
    key = {name: block.signature.key for name, block in blocks.items()}
    assert key['first.0.0'] == key['second.0.0'] and key['first.2.0'] == key['second.2.0']
    assert len(
        {key[name] for name in ('stem.0', 'first.0.0', 'first.4.0', 'second.4.0', 'depth', 'head')}
    ) == 6 - (key['stem.0'] == key['first.2.0'])
    assert (blocks['stem.0'].inputs, blocks['stem.0'].outputs) == (3, 16)
    assert key['depth'] == (
        'depthwise conv2d 3x3 @8x8 stride=1x1 padding=1x1 dilation=1x1 bias '
        '+hardtanh(inplace=False,max_val=6.0,min_val=0.0)'
    )
    assert (
        blocks['first.0.0'].signature
        != record_blocks(Bottlenecks(), torch.randn(2, 3, 9, 8))[1].signature
    )


def test_blocks_run_in_the_memory_order_that_was_seen():
    model, example = Bottlenecks(), torch.randn(2, 3, 8, 8)
    plain = record_blocks(model, example)
    ordered = record_blocks(model, example.contiguous(memory_format=torch.channels_last))
    assert [block.signature.channels_last for block in plain] == [False] * len(plain)
    assert [block.signature.channels_last for block in ordered] == [True] * (len(ordered) - 1) + [
        False
    ]  # the linear one
    for block in ordered:
        out = callable_block(
            block.signature, block.inputs, block.outputs, 2, 'cpu', torch.float32
        )()
        assert (
            out.dim() != 4
            or out.is_contiguous(memory_format=torch.channels_last)
            and not out.is_contiguous()
        )


def test_groups_that_hang_together_too_closely_are_said_before_memory_is_out():
    class Joined(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = nn.ModuleList(nn.Conv2d(3, 64, 1) for _ in range(6))
            self.end = nn.Conv2d(384, 2, 1)

        def forward(self, x):
            return self.end(torch.cat([part(x) for part in self.parts], 1))

    model, _, network, table = measured(Joined())
    levels = {name: np.arange(8, units + 1) for name, units in network.units.items()}
    with pytest.raises(ValueError, match='hang together in too many ways'):
        LatencyModel(network, table).factors(levels)


class Many(nn.Module):
    """All kinds of layers and tails that are known."""

    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 4, 2, stride=2)
        self.grouped = nn.Conv2d(4, 8, 3, groups=2)
        self.norm = nn.BatchNorm2d(8, affine=False)
        self.line = nn.Conv1d(8, 6, 3, stride=2)
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        x = functional.silu(self.up(x), inplace=True).clamp(-1, 1)
        x = functional.leaky_relu(self.norm(self.grouped(x)), 0.2)
        y = self.line(x.flatten(2))
        y += y.sigmoid()
        return functional.gelu(self.fc(y.mean(2)), approximate='tanh') * 2


def test_every_kind_is_replayed_at_any_width():
    blocks = {block.name: block for block in record_blocks(Many(), torch.randn(2, 3, 6, 6))}
    assert [list(dict(block.signature.tail)) for block in blocks.values()] == [
        ['silu', 'clamp'],
        ['batch_norm', 'leaky_relu'],
        ['sigmoid', 'add_'],
        ['gelu'],
    ]
    shapes = {'up': (5, 7, 12, 12), 'grouped': (5, 6, 10, 10), 'line': (5, 7, 49), 'fc': (5, 7)}
    for name, block in blocks.items():
        outputs = 6 if name == 'grouped' else 7
        y = callable_block(block.signature, 4, outputs, 5, 'cpu', torch.float32)()
        assert y.shape == shapes[name] and y.isfinite().all()
    assert blocks['up'].inputs == 3 and blocks['up'].outputs == 4


def test_a_replayed_block_computes_what_the_layers_do():
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU6(True)
    ).eval()
    (block,) = record_blocks(layers, torch.randn(2, 3, 8, 8))
    run = callable_block(block.signature, 3, 4, 2, 'cpu', torch.float64)
    inside = dict(
        zip(run.__code__.co_freevars, (cell.cell_contents for cell in run.__closure__), strict=True)
    )
    norm = dict(
        zip(
            inside['steps'][0].__code__.co_freevars,
            (c.cell_contents for c in inside['steps'][0].__closure__),
            strict=True,
        )
    )
    layers.double()
    with torch.no_grad():
        layers[0].weight.copy_(inside['weight'])
        layers[0].bias.copy_(inside['bias'])
        layers[1].running_mean.copy_(norm['mean'])
        layers[1].running_var.copy_(norm['var'])
        layers[1].weight.copy_(norm['weights']['weight'])
        layers[1].bias.copy_(norm['weights']['bias'])
        assert torch.equal(run(), layers(inside['x']))


def test_a_layer_that_runs_twice_is_two_blocks():
    conv = nn.Conv2d(3, 3, 1)
    assert [
        block.name
        for block in record_blocks(nn.Sequential(conv, nn.ReLU(), conv), torch.randn(1, 3, 4, 4))
    ] == ['0', '0']


def test_the_model_is_left_as_it_was():
    model = Bottlenecks().train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    record_blocks(model, torch.randn(2, 3, 8, 8))
    assert model.training and all(
        torch.equal(value, before[key]) for key, value in model.state_dict().items()
    )


def test_layers_whose_time_cannot_be_told_are_named():
    class Odd(nn.Conv2d):
        def forward(self, x):
            return torch.einsum('oi,nihw->nohw', self.weight[..., 0, 0], x)

    model = nn.Sequential(nn.Conv2d(3, 8, 1), Odd(8, 8, 1), nn.Conv2d(8, 2, 1))
    example = torch.randn(1, 3, 4, 4)
    plain = trace(
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 2, 1)), example
    )
    with pytest.raises(ValueError, match="the time of '1' cannot be tabulated.*ignore"):
        Network.read(model, plain, example)


def test_a_forward_that_fails_or_runs_nothing_is_refused():
    with pytest.raises(ValueError, match='cannot be run on the example'):
        record_blocks(nn.Conv2d(3, 4, 1), torch.randn(1, 5, 4, 4))
    with pytest.raises(ValueError, match='ran no convolution'):
        record_blocks(nn.ReLU(), torch.randn(1, 5))


def test_the_output_projection_of_an_attention_is_a_block():
    class Attended(nn.Module):
        def __init__(self):
            super().__init__()
            self.attn = nn.MultiheadAttention(8, 2, batch_first=True)
            self.head = nn.Linear(8, 2)

        def forward(self, tokens):
            return self.head(self.attn(tokens, tokens, tokens)[0])

    model, tokens = Attended(), torch.randn(1, 3, 8)
    assert [block.name for block in record_blocks(model, tokens)] == ['attn.out_proj', 'head']
    network = Network.read(model, trace(model, tokens), tokens)
    assert network.parts[('attn.out_proj', 'in')] == (('attn', 2),)
