"""How the channels of heads hang together: what goes, and what keeps them."""

import pytest
import torch
from torch import nn

from mmrobustprune.dependency.tracing import trace
from tests.support.attentions import Stream, of_heads, prune


class Attended(Stream):
    """The attention and what else `use` makes of it."""

    def __init__(self, use):
        super().__init__(nn.MultiheadAttention(8, 2, batch_first=True), 8)
        self.use = use

    def forward(self, tokens):
        stream = self.read(tokens)
        return self.use(self, stream, *self.attn(stream, stream, stream))


def test_an_attention_that_runs_twice():
    class Twice(Stream):
        def forward(self, tokens):
            stream = self.read(tokens)
            for _ in range(2):
                stream = stream + self.attn(stream, stream, stream)[0]
            return self.write(stream)

    found, _ = prune(
        Twice(nn.MultiheadAttention(8, 2, batch_first=True), 8), torch.randn(1, 3, 3), 'dims'
    )
    assert of_heads(found) == {'attn': (4, {('attn', 'out'): 6, ('attn.out_proj', 'in'): 2})}


@pytest.mark.parametrize('units', ['dims', 'heads'])
def test_a_single_head_stays(units):
    class Single(Attended):
        def __init__(self):
            super().__init__(lambda self, stream, found, weights: self.write(found))
            self.attn = nn.MultiheadAttention(8, 1, batch_first=True)

    found = trace(Single(), torch.randn(1, 3, 3), attention=units)
    if units == 'dims':
        assert of_heads(found)['attn'][0] == 8
    else:
        assert found.unprunable['attn'] == "'attn' has a single head"


def test_weights_that_are_read_keep_the_heads():
    found = trace(
        Attended(lambda self, stream, found, weights: self.write(found) * weights.sum()),
        torch.randn(1, 3, 3),
    )
    assert not of_heads(found)
    assert found.unprunable['attn'] == "more than 'attn.out_proj' reads the heads of 'attn'"


def test_weights_that_are_an_output_keep_the_heads():
    found = trace(
        Attended(lambda self, stream, found, weights: (self.write(found), weights)),
        torch.randn(1, 3, 3),
    )
    assert "reads the heads of 'attn'" in found.unprunable['attn']


@pytest.mark.parametrize('layer', ['attn', 'attn.out_proj'])
def test_an_ignored_layer_keeps_its_own(layer):
    model = Attended(lambda self, stream, found, weights: self.write(found))
    found = trace(model, torch.randn(1, 3, 3), ignore=[layer])
    assert bool(of_heads(found)) == (layer == 'attn.out_proj')


def test_there_are_no_other_units():
    model = Attended(lambda self, stream, found, weights: self.write(found))
    with pytest.raises(ValueError, match="unknown attention 'rows'"):
        trace(model, torch.randn(1, 3, 3), attention='rows')
