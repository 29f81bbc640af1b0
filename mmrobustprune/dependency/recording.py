"""One forward pass, watched: which layers ran, where, and the shapes that autograd forgets."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from mmrobustprune.compat.onednn import as_written

from .attention_runs import AttentionRun, watch
from .kinds import encloses, positions, produces

Forward = Callable[[nn.Module, Any], Any]


def default_forward(model: nn.Module, example: Any) -> Any:
    """model(**example) for a dict, model(*example) for a tuple or list, else model(example)."""
    if isinstance(example, dict):
        return model(**example)
    if isinstance(example, (tuple, list)):
        return model(*example)
    return model(example)


def tensors_in(nested: Any) -> list[Tensor]:
    """The floating-point tensors of nested tuples, lists and dicts, in order."""
    return [
        leaf
        for leaf in tree_leaves(nested)
        if isinstance(leaf, Tensor) and leaf.is_floating_point()
    ]


@dataclass(frozen=True)
class Call:
    """Shapes of one operation.

    Attributes:
        inputs: (shape, takes part in autograd) per tensor.
        output: the shape of its first output.
        module: the name of the module that ran it.
    """

    inputs: tuple[tuple[torch.Size, bool], ...]
    output: torch.Size
    module: str = ''


class _Shapes(TorchFunctionMode):
    def __init__(self, calls: dict, held: list, stack: list[str]):
        super().__init__()
        self.calls = calls
        self.held = held
        self.stack = stack

    def __torch_function__(self, func, types, args=(), kwargs=None):
        given = _one_by_one((*args, *(kwargs or {}).values()))
        inputs = tuple((t.shape, t.requires_grad) for t in given if isinstance(t, Tensor))
        if (kwargs or {}).get('inplace'):  # on a view (of a linear layer) it replaces its node
            kwargs = dict(kwargs, inplace=False)
        result = func(*args, **(kwargs or {}))
        self._note_write(func, args)
        for out in _one_by_one((result,)):
            if isinstance(out, Tensor) and out.grad_fn is not None:
                where = self.stack[-1] if self.stack else ''
                self.calls.setdefault(out.grad_fn, Call(inputs, out.shape, where))
                _hold(out, self.held)
        return result

    def _note_write(self, func, args) -> None:
        """Keep the shapes of what was written in place into a view, see `flow.writes`."""
        if len(args) < 2 or not isinstance(args[0], Tensor):
            return
        target = args[0]
        value = args[-1]
        base = target._base if target._is_view() else target
        node = base.grad_fn
        if node is None or not node.name().endswith('CopySlices') or node in self.calls:
            return
        view = target.detach()
        if func is Tensor.__setitem__:
            view = view[args[1]]
        whole = view.numel() == base.numel() and view.is_contiguous() and base.is_contiguous()
        if isinstance(value, Tensor) and (whole or view.stride() == base.stride()):
            inputs = ((view.shape, True), (value.shape, value.requires_grad))
            self.calls[node] = Call(inputs, base.shape)


@dataclass(frozen=True)
class Made:
    """What a graph is read from, in place of an output that a layer made.

    Attributes:
        grad_fn: its autograd node.
        shape: its shape.
    """

    grad_fn: Any
    shape: torch.Size


def _shape_alone(saved: Tensor) -> Tensor:
    """What autograd keeps of a tensor for a backward pass that never comes."""
    return saved.detach().to('meta') if saved.is_floating_point() else saved


def _same(kept: Tensor) -> Tensor:
    return kept


def _hold(tensor: Tensor, held: list) -> None:
    """Keep what a custom function made: its node ends with its output, all others when let go."""
    if isinstance(tensor.grad_fn, BackwardCFunction):
        held.append(tensor)


def _one_by_one(values: Iterable[Any]) -> Iterator[Any]:
    """The values, those inside tuples and lists in their place."""
    for value in values:
        if isinstance(value, (tuple, list)):
            yield from value
        else:
            yield value


@dataclass
class ForwardPass:
    """What one forward pass did.

    Attributes:
        calls: autograd node -> shapes.
        made: autograd node -> the innermost module it belongs to.
        sizes: autograd node of a module's output -> its shape.
        fed: the node of the output of a layer that encloses what it does -> that of its input.
        inputs: the nodes that stand for the model's inputs, with their shapes.
        outputs: the nodes of the model's outputs.
        blind: nodes read by a layer that ran without gradients, and its name.
        ran: modules that were called.
        attentions: the runs of attentions whose heads can go.
        shapes: weight uses per layer (see `Trace`).
        held: outputs of custom functions, which keep their nodes.
    """

    calls: dict = field(default_factory=dict)
    made: dict = field(default_factory=dict)
    sizes: dict = field(default_factory=dict)
    fed: dict = field(default_factory=dict)
    inputs: dict = field(default_factory=dict)
    outputs: set = field(default_factory=set)
    blind: dict = field(default_factory=dict)
    ran: set = field(default_factory=set)
    attentions: list[AttentionRun] = field(default_factory=list)
    shapes: dict[str, int] = field(default_factory=dict)
    held: list[Tensor] = field(default_factory=list)

    def run(self, model: nn.Module, example: Any, forward: Forward) -> list[Made]:
        """Call `forward(model, example)`.

        Returns:
            Its outputs, and those of every layer, so that one whose output is detached (the
            proposals of a two-stage detector) is in the graph as a reader all the same. Numbers
            are let go as soon as the forward has done with them.
        Raises:
            ValueError: the call fails, or no output depends on the parameters.
        """
        for parameter in model.parameters():  # frozen stages are a part of the graph as well
            parameter.requires_grad_(parameter.is_floating_point())
        stack: list[str] = []
        made: list[Made] = []
        handles = []
        for name, module in model.named_modules():
            handles += self._hook(name, module, stack, made)
        handles += watch(model, self.attentions)
        try:
            with torch.enable_grad(), as_written(), saved_tensors_hooks(_shape_alone, _same):
                with _Shapes(self.calls, self.held, stack):
                    result = forward(model, tree_map(self._source, example))
        except Exception as error:
            where = f"in '{stack[-1]}'" if stack and stack[-1] else 'in the model itself'
            text = (str(error).strip() or 'no message').splitlines()[0]
            raise ValueError(
                f'the model cannot be traced: {type(error).__name__} {where} ({text}); give an '
                'example input and a forward callable that it accepts (in a config '
                "robust_prune.forward='package.module:function')."
            ) from error
        finally:
            for handle in handles:
                handle.remove()
        outputs = [t for t in tensors_in(result) if t.grad_fn is not None]
        if not outputs:
            raise ValueError(
                'the model cannot be traced: its output '
                f'({type(result).__name__}) holds no tensor that depends on its '
                'parameters through autograd; give a forward callable that returns '
                'the raw outputs, without no_grad (in a config '
                "robust_prune.forward='package.module:function')."
            )
        self.outputs = {t.grad_fn for t in outputs}
        for output in outputs:
            _hold(output, self.held)
        return [Made(one.grad_fn, one.shape) for one in outputs] + made

    def _source(self, leaf: Any) -> Any:
        # No leaf any more: in-place operations work, and the input has a node that can be found.
        if not isinstance(leaf, Tensor) or not leaf.is_floating_point():
            return leaf
        leaf = leaf.detach().requires_grad_() * 1
        self.inputs[leaf.grad_fn] = leaf.shape
        return leaf

    def _hook(self, name: str, module: nn.Module, stack: list[str], made: list[Made]) -> Iterator:
        weighted = next(module.parameters(recurse=False), None) is not None
        enclosed = encloses(module)

        def before(module, args):
            stack.append(name)

        def after(module, args, output):
            stack.pop()
            self.ran.add(module)
            first = output[0] if isinstance(output, (tuple, list)) and output else output
            if isinstance(first, Tensor) and first.grad_fn is not None:
                self.made.setdefault(first.grad_fn, module)  # the innermost module
                self.sizes.setdefault(first.grad_fn, first.shape)
                _hold(first, self.held)
                made.extend([Made(first.grad_fn, first.shape)] * weighted)
                if enclosed and args and args[0].grad_fn is not None:
                    self.fed[first.grad_fn] = args[0].grad_fn
            elif weighted:
                self.blind |= {t.grad_fn: name for t in tensors_in(args) if t.grad_fn is not None}
            if produces(module):
                used = self.shapes.get(name, 0)
                self.shapes[name] = used + positions(module, args[0] if args else None, output)

        yield module.register_forward_pre_hook(before)
        yield module.register_forward_hook(after)


def between(fn: Any, source: Any, made: Container = (), depth: int = 12) -> set:
    """The nodes that a layer makes of its own between its input and its output.

    Args:
        fn: of its output.
        source: of its input.
        made: nodes of other layers, what they made is not its own.
        depth: steps back at most.
    """
    if depth == 0 or fn is None or fn is source:
        return set()
    steps = {f for f, _ in fn.next_functions if f not in (None, source) and f not in made}
    return steps.union(*(between(step, source, made, depth - 1) for step in steps))
