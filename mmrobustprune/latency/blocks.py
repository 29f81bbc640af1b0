"""What a network does layer by layer: each layer with the elementwise work behind it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from mmrobustprune.dependency.attention import spelled_out
from mmrobustprune.dependency.recording import Forward, default_forward
from mmrobustprune.flags import flags_restored

_CONV = 'input weight bias stride padding dilation groups'.split()
_TRANSPOSED = 'input weight bias stride padding output_padding groups dilation'.split()
LAYERS = {f'conv{n}d': _CONV for n in (1, 2, 3)} | {
    f'conv_transpose{n}d': _TRANSPOSED for n in (1, 2, 3)
}
LAYERS['linear'] = _CONV[:3]
_ACTIVATIONS = """
    relu relu6 hardtanh silu hardswish hardsigmoid gelu leaky_relu mish elu celu selu softplus
    logsigmoid
"""
# Elementwise operations by the name torch gives them; the paired ones read a second tensor.
ALONE: dict[str, Callable] = {name: getattr(functional, name) for name in _ACTIVATIONS.split()}
ALONE |= {name: getattr(Tensor, name) for name in ('relu_', 'sigmoid', 'sigmoid_', 'tanh', 'clamp')}
PAIRED: dict[str, Callable] = {
    name: getattr(Tensor, name) for name in ('add', 'add_', 'mul', 'mul_', 'sub', 'maximum')
}
NORM = 'batch_norm'


@dataclass(frozen=True)
class Signature:
    """What the time of a block depends on beside its widths.

    Attributes:
        layer: the functional that runs: 'conv2d', 'linear', ...
        kernel: its window.
        size: the input's shape without batch and channels.
        depthwise: whether it is a depthwise convolution, which has one width; others have two.
        bias: whether it adds one.
        options: its stride, padding and the like.
        tail: the operations behind it, each with its plain options.
        channels_last: the memory order of the input, which decides which kernel runs.
    """

    layer: str
    kernel: tuple[int, ...] = ()
    size: tuple[int, ...] = ()
    depthwise: bool = False
    bias: bool = False
    options: tuple[tuple[str, Any], ...] = ()
    tail: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...] = ()
    channels_last: bool = False

    @property
    def key(self) -> str:
        """The signature in one line."""
        options = _listed(self.options)
        tail = []
        for name, plain in self.tail:
            tail.append(f'{name}({",".join(_listed(plain))})' if plain else name)
        head = [
            'depthwise' * self.depthwise,
            self.layer,
            'x'.join(map(str, self.kernel)),
            '@' + 'x'.join(map(str, self.size)),
            *options,
            'bias' * self.bias,
            'channels_last' * self.channels_last,
        ]
        return ' '.join([word for word in head if word] + [f'+{one}' for one in tail])


@dataclass(frozen=True)
class TimedBlock:
    """One call of a layer: its name in `model.named_modules()`, dense widths, and signature."""

    name: str
    inputs: int
    outputs: int
    signature: Signature


def record_blocks(
    model: nn.Module, example: Any, forward: Forward | None = None
) -> tuple[TimedBlock, ...]:
    """Every call of a convolution or linear layer in one forward pass, in order.

    The normalisation, activation and residual sum that follow a layer belong to its block, the sum
    to the later one of its two. The model runs in evaluation mode and is left as it was.

    Raises:
        ValueError: the forward fails or runs no layer.
    """
    owners = {}
    for name, module in model.named_modules():
        if isinstance(getattr(module, 'weight', None), Tensor):
            owners.setdefault(id(module.weight), (name, module.weight))
    watch = _Watch({key: name for key, (name, _) in owners.items()})
    with flags_restored(model), spelled_out(model), torch.no_grad():
        model.eval()
        try:
            with watch:
                (forward or default_forward)(model, example)
        except Exception as error:
            text = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ValueError(
                f'the model cannot be run on the example ({text}); give an example input and a '
                'forward callable that it accepts.'
            ) from error
    if not watch.blocks:
        raise ValueError(
            'the forward pass ran no convolution or linear layer; give the model itself and its '
            'forward.'
        )
    return tuple(watch.blocks)


@dataclass
class _Watch(TorchFunctionMode):
    """Sees every torch function, and follows blocks through elementwise operations.

    Attributes:
        names: id of a weight -> layer.
        blocks: found so far.
        owner: id of a tensor -> the block it comes from.
        held: tensors kept alive, so that ids stay unique.
    """

    names: dict[int, str]
    blocks: list[TimedBlock] = field(default_factory=list)
    owner: dict[int, int] = field(default_factory=dict)
    held: list[Tensor] = field(default_factory=list)

    def __post_init__(self):
        super().__init__()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = getattr(func, '__name__', '')
        if isinstance(result, Tensor):
            if name in LAYERS:
                number = self._layer(name, args, kwargs)
            else:
                number = self._tail(name, args, kwargs, result)
            self.owner.pop(id(result), None)
            if number is not None:
                self.owner[id(result)] = number
            self.held.append(result)
        return result

    def _layer(self, name: str, args: tuple, kwargs: dict) -> int | None:
        given = dict(zip(LAYERS[name], args, strict=False)) | kwargs
        x = given['input']
        weight = given['weight']
        groups = given.get('groups', 1)
        if id(weight) not in self.names:
            return None
        outputs, inputs = weight.shape[:2]
        if name.startswith('conv_transpose'):
            outputs, inputs = inputs, outputs
            outputs *= groups
        else:
            inputs *= groups
        linear = name == 'linear'
        named = [key for key in LAYERS[name][3:] if key != 'groups' and key in given]
        options = tuple((key, _plain(given[key])) for key in named)
        depthwise = not linear and groups == inputs == outputs and groups > 1
        if groups > 1 and not depthwise:  # its widths stay
            options += (('groups', groups),)
        signature = Signature(
            name,
            () if linear else tuple(weight.shape[2:]),
            tuple(x.shape[1:-1] if linear else x.shape[2:]),
            depthwise,
            given.get('bias') is not None,
            options,
            channels_last=x.dim() == 4 and _ordered(x) is not x,
        )
        self.blocks.append(TimedBlock(self.names[id(weight)], inputs, outputs, signature))
        return len(self.blocks) - 1

    def _tail(self, name: str, args: tuple, kwargs: dict, result: Tensor) -> int | None:
        tensors = [a for a in args if isinstance(a, Tensor)]
        numbers = [self.owner[id(a)] for a in tensors if id(a) in self.owner]
        if not numbers or tensors[0].shape != result.shape:
            return None
        if name == NORM:
            affine = any(isinstance(kwargs.get(key), Tensor) for key in ('weight', 'bias'))
            plain = (('affine', affine),)
        elif name in ALONE and len(tensors) == 1:
            plain = _options(ALONE[name], args, kwargs)
        elif name in PAIRED and [a.shape for a in tensors] == [result.shape] * 2:
            plain = ()
        else:
            return None
        number = max(numbers)
        block = self.blocks[number]
        signature = replace(block.signature, tail=(*block.signature.tail, (name, plain)))
        self.blocks[number] = replace(block, signature=signature)
        return number


def _options(function: Callable, args: tuple, kwargs: dict) -> tuple[tuple[str, Any], ...]:
    """Plain options by name, those that stand in their places included."""
    try:
        names = list(inspect.signature(function).parameters)
    except ValueError:  # written in C: min and max of a clamp
        names = ['self', 'min', 'max']
    given = dict(zip(names[1:], args[1:], strict=False)) | kwargs
    plain = [one for one in given.items() if isinstance(one[1], (bool, int, float, str))]
    return tuple(sorted(plain))


def _listed(options: Iterable[tuple[str, Any]]) -> list[str]:
    return [f'{name}={_text(value)}' for name, value in options]


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, tuple, torch.Size)) else value


def _text(value: Any) -> str:
    return 'x'.join(map(str, value)) if isinstance(value, tuple) else str(value)


def _ordered(x: Tensor) -> Tensor:
    """x itself, or in the default memory order where it is in channels-last order alone."""
    return x.contiguous() if x.is_contiguous(memory_format=torch.channels_last) else x


def callable_block(
    signature: Signature,
    inputs: int,
    outputs: int,
    batch: int,
    device: torch.device | str,
    dtype: torch.dtype,
) -> Callable[[], Tensor]:
    """The block at these widths on random numbers, ready to be timed.

    Args:
        signature: of the block.
        inputs, outputs: its widths.
        batch: images of a call.
        device, dtype: of the numbers.
    """

    def random(*shape: int) -> Tensor:
        return torch.empty(shape, device=device, dtype=torch.float32).uniform_(0.1, 0.3).to(dtype)

    layer = getattr(functional, signature.layer)
    options = dict(signature.options)
    if signature.depthwise:
        inputs = outputs
        options['groups'] = outputs
    groups = options.get('groups', 1)
    linear = signature.layer == 'linear'
    shape = (outputs, inputs // groups)
    if signature.layer.startswith('conv_transpose'):
        shape = (inputs, outputs // groups)
    weight = random(*shape, *signature.kernel)
    bias = random(outputs) if signature.bias else None

    def activation(*shape: int) -> Tensor:
        x = random(*shape)
        return x.contiguous(memory_format=torch.channels_last) if signature.channels_last else x

    size = (*signature.size, inputs) if linear else (inputs, *signature.size)
    x = activation(batch, *size)
    shape = layer(x, weight, bias, **options).shape
    steps = [_step(name, dict(plain), shape, random, activation) for name, plain in signature.tail]

    def run() -> Tensor:
        y = layer(x, weight, bias, **options)
        for step in steps:
            y = step(y)
        return y

    return run


def _step(
    name: str,
    plain: dict,
    shape: torch.Size,
    random: Callable[..., Tensor],
    activation: Callable[..., Tensor],
) -> Callable[[Tensor], Tensor]:
    if name == NORM:
        mean, var, scale, shift = (random(shape[1]) for _ in range(4))
        weights = dict(weight=scale, bias=shift) if plain['affine'] else {}
        return lambda y: functional.batch_norm(y, mean, var, **weights)
    if name in PAIRED:
        function = PAIRED[name]
        second = activation(*shape)
        return lambda y: function(y, second)
    function = ALONE[name]
    return lambda y: function(y, **plain)
