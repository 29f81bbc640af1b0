"""`nn.MultiheadAttention`: written out, pruned, and called in every way."""

import copy

import pytest
import torch
from torch import nn

from mmrobustprune.cost.count import count
from mmrobustprune.dependency.attention import spelled_out
from mmrobustprune.dependency.packed_attention import PackedRows, counted_with
from mmrobustprune.dependency.tracing import trace
from mmrobustprune.masks import MaskSet
from mmrobustprune.scores import FPGM, Magnitude, Taylor, build_score
from mmrobustprune.structure import Structure, rebuild
from tests.support.attentions import Stream, of_heads, prune


class SelfAttention(Stream):
    def forward(self, tokens):
        stream = self.read(tokens)
        return self.write(stream + self.attn(stream, stream, stream)[0])


class Cross(nn.Module):
    """3 queries of one stream ask 7 tokens of another."""

    def __init__(self):
        super().__init__()
        self.ask = nn.Linear(3, 8)
        self.read = nn.Linear(3, 8)
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)
        self.write = nn.Linear(8, 2)

    def forward(self, tokens):
        memory = self.read(tokens)
        found, _ = self.attn(query=self.ask(tokens[:, :3]), key=memory, value=memory)
        return self.write(found)


def attention(**fields):
    return nn.MultiheadAttention(12, 3, batch_first=True, **fields)


def test_dimensions_written_out():
    found, smaller = prune(SelfAttention(attention(), 12), torch.randn(2, 5, 3), 'dims')
    assert of_heads(found) == {'attn': (4, {('attn', 'out'): 9, ('attn.out_proj', 'in'): 3})}
    group = next(group for group in found.groups if group.name == 'attn')
    rows, columns = (part.index[1].tolist() for part in group.slices)
    assert rows == [1, 5, 9, 13, 17, 21, 25, 29, 33] and columns == [1, 5, 9]
    assert smaller.attn.in_proj_weight.shape == (18, 6)
    assert smaller.attn.out_proj.weight.shape == (6, 6)
    assert smaller.attn.head_dim == 4  # the scale of its training


def test_heads_written_out():
    found, smaller = prune(SelfAttention(attention(), 12), torch.randn(2, 5, 3), 'heads')
    assert of_heads(found) == {'attn': (3, {('attn', 'out'): 12, ('attn.out_proj', 'in'): 4})}
    assert smaller.attn.num_heads == 2
    assert 'attn.query_rows' not in dict(smaller.named_modules())


def test_the_stream_runs_through():
    found = trace(SelfAttention(attention(), 12), torch.randn(2, 5, 3))
    stream = next(group for group in found.groups if group.name == 'read')
    sides = [(part.layer, part.side) for part in stream.slices]
    assert sides == [('read', 'out'), ('attn.out_proj', 'out'), ('attn', 'in'), ('write', 'in')]


def test_two_streams_that_share_the_packed_columns():
    found, _ = prune(Cross(), torch.randn(2, 7, 3), 'dims')
    streams = next(group for group in found.groups if group.name == 'ask')
    sides = [(part.layer, part.side) for part in streams.slices]
    assert sides == [('ask', 'out'), ('read', 'out'), ('attn', 'in')]
    rows = 8 * 8 * 2 * (3 + 7 + 7)  # of queries, keys and values, each as often as it is used
    assert count(Cross(), torch.randn(2, 7, 3)).layers['attn']['macs'] == rows


def test_a_removed_head_by_hand():
    """Two heads of one dimension: what is left is a head whose numbers can be worked out."""
    model = nn.MultiheadAttention(2, 2, bias=False, batch_first=True).double()
    with torch.no_grad():
        model.in_proj_weight.copy_(torch.tensor([[2, 0], [9, 9], [1, 0], [9, 9], [0, 1], [9, 9]]))
        model.out_proj.weight.copy_(torch.tensor([[1, 9], [3, 9]]))
    rows = dict(kind='packed', shape=[6, 2], out=[0, 2, 4])
    columns = {'kind': 'linear', 'shape': [2, 2], 'in': [0]}
    layers = {'attn': rows, 'attn.out_proj': columns}
    whole = nn.ModuleDict({'attn': model})
    rebuild(whole, Structure(layers, 'by hand'))
    tokens = torch.tensor([[[1.0, 5.0], [0.0, 7.0]]], dtype=torch.float64)
    found, weights = whole['attn'](tokens, tokens, tokens)
    first = torch.tensor([2.0, 0.0]).double().softmax(0)  # query 2, keys 1 and 0, scale 1
    expected = torch.stack([first @ torch.tensor([5.0, 7.0]).double(), torch.tensor(6.0).double()])
    assert torch.allclose(found[0, :, 0], expected) and torch.allclose(found[0, :, 1], 3 * expected)
    assert torch.allclose(weights[0, 0], first)


def calls():
    bools = torch.rand(5, 7) < 0.3
    bools[:, 0] = False
    padding = torch.zeros(2, 7, dtype=torch.bool)
    padding[1, 4:] = True
    each = torch.randn(6, 5, 7).double()
    return {
        'plain': dict(),
        'no weights': dict(need_weights=False),
        'weights of each head': dict(average_attn_weights=False),
        'bool mask': dict(attn_mask=bools),
        'float mask of each head': dict(attn_mask=each),
        'padding': dict(key_padding_mask=padding),
        'both': dict(key_padding_mask=padding, attn_mask=bools, need_weights=False),
    }


@pytest.mark.parametrize('name', calls())
@pytest.mark.parametrize('batch_first', [False, True])
def test_the_narrowed_form_computes_the_same(name, batch_first):
    torch.manual_seed(0)
    model = nn.MultiheadAttention(12, 3, batch_first=batch_first).double().eval()
    query = torch.randn(2, 5, 12).double()
    memory = torch.randn(2, 7, 12).double()
    if not batch_first:
        query, memory = query.transpose(0, 1), memory.transpose(0, 1)
    said = calls()[name]
    expected = model(query, memory, memory, **said)
    with spelled_out(model):
        found = model(query, memory, memory, **said)
    for ours, theirs in zip(found, expected, strict=True):
        if theirs is None:
            assert ours is None
        else:
            assert ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=0, atol=1e-12)


def test_a_single_sequence_needs_no_batch():
    model = nn.MultiheadAttention(12, 3).double().eval()
    tokens = torch.randn(5, 12).double()
    expected, weights = model(tokens, tokens, tokens)
    with spelled_out(model):
        found, ours = model(tokens, tokens, tokens)
    assert torch.allclose(found, expected) and torch.allclose(ours, weights)


def test_a_mask_of_the_dense_networks_heads_is_read_by_those_that_are_left():
    """Code around an attention may go on making a mask for as many heads as it was built with."""
    model = SelfAttention(attention(), 12).double().eval()
    found = trace(model, torch.randn(2, 5, 3).double(), attention='heads')
    masks = MaskSet(model, found.groups)
    masks.remove({'attn': torch.tensor([False, True, True])})
    smaller = rebuild(copy.deepcopy(model), masks.structure('test'))
    tokens = torch.randn(2, 5, 12).double()
    mask = torch.randn(6, 5, 5).double()
    expected, _ = model.attn(tokens, tokens, tokens, attn_mask=mask)
    found, _ = smaller.attn(tokens, tokens, tokens, attn_mask=mask)
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    'fields', [dict(kdim=3), dict(add_bias_kv=True), dict(add_zero_attn=True)], ids=str
)
def test_what_is_not_packed_of_three_parts_stays_whole(fields):
    class Net(SelfAttention):
        def forward(self, tokens):
            stream = self.read(tokens)
            key = tokens if 'kdim' in fields else stream
            return self.write(self.attn(stream, key, stream)[0])

    found = trace(Net(attention(**fields), 12), torch.randn(2, 5, 3))
    assert not of_heads(found) and 'read' in found.unprunable


@pytest.mark.parametrize('score', ['Magnitude', 'FPGM', 'Random', 'SmoothMix', 'Taylor'])
def test_every_score_knows_packed_rows(score):
    model = SelfAttention(attention(), 12)
    tokens = torch.randn(2, 5, 3)
    groups = trace(model, tokens).groups
    score = build_score(dict(type=score))
    if isinstance(score, Taylor):
        model(tokens).square().sum().backward()
        score.observe(model)
    found = score(model, groups)
    assert found['attn'].shape == (4,) and score.filters(model, groups)['attn'].shape == (36,)


def test_the_norm_of_a_unit():
    model = SelfAttention(attention(), 12)
    groups = trace(model, torch.randn(2, 5, 3)).groups
    rows = model.attn.in_proj_weight[1::4]
    columns = model.attn.out_proj.weight[:, 1::4]
    expected = (rows.square().sum() + columns.square().sum()).sqrt()
    assert torch.allclose(Magnitude()(model, groups)['attn'][1], expected)
    assert FPGM()(model, groups)['attn'].shape == (4,)


@pytest.mark.parametrize('units', ['dims', 'heads'])
def test_a_transformer_of_torch_leaves_its_fused_kernel(units):
    layer = nn.TransformerEncoderLayer(12, 4, 16, batch_first=True, dropout=0)
    model = nn.Sequential(nn.Linear(3, 12), nn.TransformerEncoder(layer, 2), nn.Linear(12, 2))
    found = trace(model, torch.randn(2, 5, 3), attention=units)
    masks = MaskSet(model, found.groups)
    heads = {group.name for group in found.groups if group.name.endswith('self_attn')}
    assert len(heads) == 2
    kept = {group.name: torch.arange(group.units) < group.units // 2 for group in found.groups}
    masks.remove({name: kept[name] for name in heads})
    smaller = rebuild(copy.deepcopy(model), masks.structure('test'))
    tokens = torch.randn(2, 5, 3)
    with torch.no_grad():
        assert (model.eval()(tokens) - smaller.eval()(tokens)).abs().max() < 1e-5


def test_rows_of_a_packed_projection_are_counted_with_it():
    model = attention()
    with spelled_out(model):
        rows = model.get_submodule('key_rows')
        assert isinstance(rows, PackedRows) and counted_with(rows) is model
        assert torch.equal(rows.weight, model.in_proj_weight[12:24])
        assert torch.equal(rows.bias, model.in_proj_bias[12:24])
    assert list(dict(model.named_children())) == ['out_proj']
    assert counted_with(model) is model and type(model) is nn.MultiheadAttention
