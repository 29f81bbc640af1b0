"""Which layer reads what, found by one forward pass: the widths that FLOPs depend on."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn

from mmrobustprune.dependency.groups import kind_of, positions
from mmrobustprune.flags import flags_restored

from .layers import weighted_layers


@dataclass
class Read:
    """What one layer does in a forward pass of one picture.

    ``positions``: how often its weights are used; ``sources``: the layers whose outputs reach it
    with no other layer in between (none: it reads the picture); ``twin``: the first layer that reads
    the very same tensor; ``consumer``: the first layer that reads its output (None: an output).
    """

    positions: int = 0
    sources: set[str] = field(default_factory=set)
    twin: str | None = None
    consumer: str | None = None


def find_reads(model: nn.Module, input_shape: tuple[int, ...]) -> dict[str, Read]:
    """{layer: Read} in the order of execution, for one picture of shape (C, H, W).

    The model is called in evaluation mode and left as it was.

    Raises:
        ValueError: it cannot be called with one tensor of that shape, or no layer ran.
    """
    names = {module: name for name, module in weighted_layers(model).items()}
    reads: dict[str, Read] = {}
    made, inputs = (
        {},
        {},
    )  # autograd node -> the layer whose output it is; layer -> the tensor it reads

    def after(module, args, output):
        name, given = names[module], args[0]
        read = reads.setdefault(name, Read())
        read.positions += positions(module, given, output)
        read.sources |= _sources(given.grad_fn, made)
        read.twin = read.twin or next(
            (other for other, tensor in inputs.items() if tensor is given), name
        )
        inputs[name] = given
        made[output.grad_fn] = name

    handles = [module.register_forward_hook(after) for module in names]
    try:
        with torch.enable_grad(), flags_restored(model):
            model.eval()
            weight = next(model.parameters())
            model(
                torch.zeros(
                    1, *input_shape, device=weight.device, dtype=weight.dtype, requires_grad=True
                )
                * 1
            )
    except (RuntimeError, TypeError, ValueError) as problem:
        raise ValueError(
            f'the network cannot be called with one picture of shape {tuple(input_shape)} '
            f'({str(problem).strip().splitlines()[0]}); give the input_shape (C, H, W) it is trained on.'
        ) from problem
    finally:
        for handle in handles:
            handle.remove()
    for name, read in reads.items():
        for source in read.sources:
            reads[source].consumer = reads[source].consumer or name
    return reads


def input_dim(layer: nn.Module) -> int | None:
    """The dimension of a layer's weight that holds its input channels; None for grouped convolutions."""
    kind = kind_of(layer)
    return kind.dims['in']['weight'] if kind and 'in' in kind.dims else None


def _sources(node, made: dict) -> set[str]:
    """The layers whose outputs an autograd node is made of, looking no further than each."""
    found, stack, seen = set(), [node], set()
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node in made:
            found.add(made[node])
        else:
            stack += [before for before, _ in node.next_functions]
    return found
