"""Attentions in a small residual stream, and what has to hold of every one that is pruned."""

import copy
import io

import torch
from torch import nn

from mmrobustprune.cost.count import count
from mmrobustprune.cost.model import CostModel
from mmrobustprune.dependency.groups import halves, tensors
from mmrobustprune.dependency.tracing import trace
from mmrobustprune.masks import MaskSet
from mmrobustprune.structure import Structure, rebuild
from mmrobustprune.structure.compare import difference, randomise
from mmrobustprune.surgery import certify


class Stream(nn.Module):
    """x -> x + attention(x) -> a linear layer, of tokens (B, N, 3); all that it has is random."""

    def __init__(self, attention, width, *arguments):
        super().__init__()
        self.read = nn.Linear(3, width)
        self.attn = attention
        self.write = nn.Linear(width, 2)
        self.arguments = arguments
        randomise(self, 0)

    def forward(self, tokens):
        stream = self.read(tokens)
        found = self.attn(stream, *self.arguments)
        return self.write(stream + (found[0] if isinstance(found, tuple) else found))


def prune(model, example, units, forward=None):
    """Half of every group goes; what was found, and the network without them."""
    found = trace(model, example, forward, attention=units)
    masks = MaskSet(copy.deepcopy(model), found.groups)
    masks.remove(halves(found.groups))
    assert certify(masks, example, forward, dtype=torch.float64) <= 1e-10
    structure = Structure.from_json(masks.structure('test').to_json())
    smaller = rebuild(copy.deepcopy(model), structure)
    again = rebuild(copy.deepcopy(model), structure)
    assert list(smaller.state_dict()) == list(model.state_dict())
    loaded = again.load_state_dict(copy.deepcopy(smaller.state_dict()), strict=False)
    as_dense = model.load_state_dict(copy.deepcopy(model.state_dict()), strict=False)
    assert loaded == as_dense  # Swin V2 saves no tables that it can make anew
    run = forward or (lambda network, tokens: network(tokens))
    with torch.no_grad():
        assert difference(run(smaller.eval(), example), run(again.eval(), example)) == 0
    cost = CostModel(model, found.groups, found.shapes)
    for network, alive in ((model, {}), (smaller, masks.alive)):
        counted = count(network, example, forward)
        told = cost.count(alive)
        assert (counted.params, counted.macs) == (told['params'], told['macs'])
    return found, smaller


def onnx_difference(model, example):
    """Between a network and what onnxruntime makes of it."""
    import onnxruntime

    model = copy.deepcopy(model).float().eval()
    file = io.BytesIO()
    torch.onnx.export(model, example, file, input_names=['x'], dynamo=False, opset_version=17)
    session = onnxruntime.InferenceSession(file.getvalue(), providers=['CPUExecutionProvider'])
    found = torch.from_numpy(session.run(None, {'x': example.numpy()})[0])
    with torch.no_grad():
        return difference(model(example), found)


def of_heads(found):
    """{group: {(layer, side): channels of one unit}} of the groups inside the attention."""
    groups = {}
    for group in found.groups:
        if group.name.startswith('attn') and not any(p.layer == 'write' for p in group.slices):
            parts = {(part.layer, part.side): part.index.shape[1] for part in group.slices}
            groups[group.name] = (group.units, parts)
    return groups


def share_in_groups(model, groups):
    """The share of the parameters that lie in tensors which a group can make smaller."""
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    reached = set()
    for group in groups:
        for part in group.slices:
            reached |= {name for name, _, _ in tensors(model, part.layer, part.side)}
    return sum(size for name, size in sizes.items() if name in reached) / sum(sizes.values())
