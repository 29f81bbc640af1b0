"""Runs of attentions: their sources, their sink, and what lies between."""

import torch
from torch import nn

from mmrobustprune.dependency.attention import spelled_out
from mmrobustprune.dependency.attention_runs import watch


def runs_of(model, *arguments, **named):
    runs = []
    with spelled_out(model):
        handles = list(watch(model, runs))
        found, _ = model(*arguments, **named)
        for handle in handles:
            handle.remove()
    return runs, found


def test_a_run_from_the_projections_to_the_output():
    model = nn.MultiheadAttention(4, 2, batch_first=True)
    tokens = torch.randn(1, 3, 4, requires_grad=True) * 1
    (run,), found = runs_of(model, tokens, tokens, tokens)
    assert run.name == '' and set(run.sources) == {'query_rows', 'key_rows', 'value_rows'}
    assert run.given == {tokens.grad_fn} and not run.beside
    names = {node.name() for node in run.inside}
    assert any('Softmax' in name for name in names) and run.sink in run.inside
    assert not run.inside & {*run.sources.values(), tokens.grad_fn, found.grad_fn}


def test_what_is_read_beside_the_projections():
    model = nn.MultiheadAttention(4, 2, batch_first=True)
    tokens = torch.randn(1, 3, 4, requires_grad=True) * 1
    bias = torch.randn(3, 3, requires_grad=True) * 1
    (run,), _ = runs_of(model, tokens, tokens, tokens, attn_mask=bias)
    assert run.beside == {bias.grad_fn}


def test_every_run_counts_and_none_without_gradients():
    model = nn.MultiheadAttention(4, 2, batch_first=True)
    tokens = torch.randn(1, 3, 4)
    runs = []
    with spelled_out(model):
        handles = list(watch(model, runs))
        for _ in range(2):
            model(tokens, tokens, tokens)
        with torch.no_grad():
            model(tokens, tokens, tokens)
        for handle in handles:
            handle.remove()
    assert len(runs) == 2 and runs[0].sink is not runs[1].sink
