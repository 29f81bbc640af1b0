"""Embeddings: tables whose columns are channels, looked up in rows or read as they are."""

from __future__ import annotations

from typing import Any

from torch import nn

from .kinds import FAMILIES, Kind
from .recording import ForwardPass

TABLE = Kind('embedding', {'out': {'weight': 1}}, {'out': ('embedding_dim',)})


def table(layer: nn.Embedding) -> Kind | None:
    """The family of an embedding; None where its rows are scaled to a norm."""
    return TABLE if layer.max_norm is None else None


def read_as_they_are(model: nn.Module, nodes: dict[Any, Any], record: ForwardPass) -> None:
    """Let code that takes an embedding's weight without a call of it read the embedding.

    Args:
        model: the network.
        nodes: module or parameter -> its node of the graph; changed in place.
        record: of the forward pass; changed in place.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Embedding) and layer.weight in nodes:
            node = nodes.pop(layer.weight)
            record.made[node.grad_fn] = layer
            record.sizes[node.grad_fn] = layer.weight.shape
            node.module = layer
            nodes.setdefault(layer, node)


FAMILIES[nn.Embedding] = table
