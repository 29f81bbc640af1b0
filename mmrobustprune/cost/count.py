"""Parameters, multiplications and time of a network."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from mmrobustprune.dependency.attention import spelled_out
from mmrobustprune.dependency.grouped_conv import GroupedKernelConv2d
from mmrobustprune.dependency.groups import width
from mmrobustprune.dependency.kinds import (
    bias_of,
    is_batch_norm,
    is_fixed,
    kind_of,
    positions,
    produces,
)
from mmrobustprune.dependency.packed_attention import counted_with
from mmrobustprune.dependency.partial import PartialForward
from mmrobustprune.dependency.parts import in_parts
from mmrobustprune.dependency.recording import Forward, default_forward
from mmrobustprune.flags import flags_restored


@dataclass(frozen=True)
class Cost:
    """What a network costs.

    Attributes:
        layers: name -> out, in, params, macs; the `in` of grouped kernels is what each filter
            reads.
        params: parameters of all layers, shared ones once.
        macs: multiplications of all layers.
    """

    layers: dict[str, dict[str, int]]
    params: int
    macs: int


@dataclass(frozen=True)
class CountingRule:
    """Which operations of a forward pass count as MACs.

    Weights of convolutions and linear layers always do.

    Attributes:
        bias: one per output element of a convolution or linear layer with a bias.
        norm: operations per input element of a batch normalisation.
        relu: one per input element of an `nn.ReLU`.
        pool: kernel area per output element of an `nn.MaxPool2d` or `nn.AvgPool2d`.
        global_pool: one per input element of an `nn.AdaptiveAvgPool2d`.
        zeros: whether weights that are exactly 0 count, here and among the parameters.
    """

    bias: bool = False
    norm: int = 0
    relu: bool = False
    pool: bool = False
    global_pool: bool = False
    zeros: bool = True


PLAIN = CountingRule()
# The counting of SR-GKP's tables (NeurIPS 2023). A ReLU counts where its networks call it as a
# module: in VGG, and in the dense ResNet-50 but not in the pruned one. Its CIFAR networks end in a
# pooling module, the ImageNet ones pool adaptively, uncounted.
SR_GKP = CountingRule(bias=True, norm=2, pool=True, global_pool=True, zeros=False)
SR_GKP_VGG = replace(SR_GKP, relu=True)
SR_GKP_IMAGENET = replace(SR_GKP, global_pool=False)
SR_GKP_IMAGENET_DENSE = replace(SR_GKP_IMAGENET, relu=True)
# name -> the rule of a dense network, and of a pruned one
RULES: dict[str, tuple[CountingRule, CountingRule]] = {
    'plain': (PLAIN, PLAIN),
    'sr-gkp': (SR_GKP, SR_GKP),
    'sr-gkp-vgg': (SR_GKP_VGG, SR_GKP_VGG),
    'sr-gkp-imagenet': (SR_GKP_IMAGENET_DENSE, SR_GKP_IMAGENET),
}


def total(
    model: nn.Module,
    example: Any,
    rule: str = 'plain',
    forward: Forward | None = None,
    pruned: bool = False,
) -> dict[str, int]:
    """'params' and 'macs' by a rule of RULES, as `count` counts."""
    cost = count(model, example, forward, RULES[rule][pruned])
    return dict(params=cost.params, macs=cost.macs)


@torch.no_grad()
def count(
    model: nn.Module,
    example: Any,
    forward: Forward | None = None,
    rule: CountingRule = PLAIN,
    kept: Mapping[str, int] | None = None,
) -> Cost:
    """Parameters of every layer and its MACs in one forward of the example.

    MACs = weights used * output positions, plus what the rule adds. A batch of n counts n times.
    Shared parameters count once in the totals. Layers whose class says `fixed = True` (weights
    that are constants of the architecture, such as a shortcut that learns nothing) have no
    parameters, and MACs only where the rule counts pools, for they do a pool's work.

    Args:
        model: the network; it is counted in evaluation mode and left as it was.
        example: one batch of inputs.
        forward: `forward(model, example)` runs it; by default the model is called.
        rule: which operations count beside weights.
        kept: convolution -> input channels that each of its filters reads, to count a
            grouped-kernel network before it is made: C becomes K in its weights; the number of
            groups does not matter.
    Raises:
        ValueError: `kept` names no dense convolution of the model, or more channels than it has.
    """
    kept = dict(kept or {})
    read = {module: kept.pop(name) for name, module in model.named_modules() if name in kept}
    _check_kept(kept, read)

    def measure(run: Forward) -> dict[nn.Module, int]:
        found = dict.fromkeys(model.modules(), 0)  # of packed projections the rows, too

        def hook(module: nn.Module, args: tuple, output: Any) -> None:
            found[counted_with(module)] += _macs(module, args, output, rule, read.get(module))

        handles = [m.register_forward_hook(hook) for m in model.modules()]
        try:
            with flags_restored(model):
                run(model.eval(), example)
        finally:
            for handle in handles:
                handle.remove()
        return found

    with spelled_out(model), in_parts(model):
        if isinstance(forward, PartialForward):
            uses = forward.count(model, measure)
        else:
            uses = measure(forward or default_forward)
    layers = {}
    total = 0
    seen: set[int] = set()  # parameters that were counted with an earlier layer
    for name, module in model.named_modules():
        own = {} if is_fixed(module) else dict(module.named_parameters(recurse=False))
        sizes = {
            key: _size(value, rule, module, read.get(module) if key == 'weight' else None)
            for key, value in own.items()
        }
        total += sum(size for key, size in sizes.items() if id(own[key]) not in seen)
        seen |= {id(value) for value in own.values()}
        params = sum(sizes.values())
        macs = uses[module]
        if not params and not macs:
            continue
        layers[name] = dict(_widths(model, name, module), params=params, macs=macs)
    return Cost(layers, total, sum(row['macs'] for row in layers.values()))


def _widths(model: nn.Module, name: str, module: nn.Module) -> dict[str, int]:
    if isinstance(module, GroupedKernelConv2d):
        return dict(out=module.out_channels, **{'in': module.weight.shape[1]})
    kind = kind_of(module)
    return {side: width(model, name, side) for side in (kind.dims if kind else ())}


def _macs(module: nn.Module, args: tuple, output: Any, rule: CountingRule, kept: int | None) -> int:
    inputs = args[0] if args else None
    if is_fixed(module) and not rule.pool:
        return 0
    if produces(module):
        bias = output.numel() if rule.bias and bias_of(module) is not None else 0
        return _size(module.weight, rule, module, kept) * positions(module, inputs, output) + bias
    if is_batch_norm(module):
        return rule.norm * inputs.numel()
    if isinstance(module, nn.ReLU):
        return rule.relu * inputs.numel()
    if isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)):
        side = module.kernel_size
        area = side[0] * side[1] if isinstance(side, tuple) else side * side
        return rule.pool * area * output.numel()
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return rule.global_pool * inputs.numel()
    return 0


def _size(parameter: nn.Parameter, rule: CountingRule, module: nn.Module, kept: int | None) -> int:
    if kept is not None:
        return parameter.numel() // module.in_channels * kept
    # only weights can be masked: a bias or a norm's shift that is 0 was never trained, not pruned
    if rule.zeros or not produces(module) or parameter is not module.weight:
        return parameter.numel()
    return int(torch.count_nonzero(parameter))


def _check_kept(unknown: Mapping[str, int], read: Mapping[nn.Module, int]) -> None:
    for name in unknown:
        raise ValueError(
            f"kept names '{name}', which the model does not have; give names of "
            'model.named_modules().'
        )
    for module, channels in read.items():
        dense = isinstance(module, nn.Conv2d) and module.groups == 1
        if not dense or not 0 < channels <= module.in_channels:
            raise ValueError(
                f'kept={channels} does not fit {module}; give a dense convolution and 1 to '
                'in_channels.'
            )


def device_stamp(device: torch.device | str = 'cpu') -> str:
    """What a time was measured on: device, threads, torch version."""
    device = torch.device(device)
    if device.type == 'cuda':
        name = torch.cuda.get_device_name(device)
    else:
        name = f'{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads'
    return f'{device.type}: {name}, torch {torch.__version__}'


@torch.no_grad()
def latency(
    calls: dict[str, Callable[[], Any]],
    device: torch.device | str = 'cpu',
    warmup: int = 3,
    repeats: int = 20,
) -> dict[str, dict]:
    """Time of each call in milliseconds: median, spread (10th to 90th percentile), device stamp.

    The calls take turns, so that a busy machine slows all of them alike.

    Args:
        calls: by name.
        device: where they run.
        warmup: turns that are not measured.
        repeats: turns that are.
    """
    device = torch.device(device)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(warmup + repeats):
        for name, call in calls.items():
            _wait(device)
            start = time.perf_counter()
            call()
            _wait(device)
            if turn >= warmup:
                times[name].append(1e3 * (time.perf_counter() - start))
    stamp = device_stamp(device)
    return {name: _summary(values, stamp) for name, values in times.items()}


def _wait(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def _summary(values: list[float], stamp: str) -> dict:
    values = sorted(values)
    last = len(values) - 1
    return dict(
        median_ms=statistics.median(values),
        p10_ms=values[round(0.1 * last)],
        p90_ms=values[round(0.9 * last)],
        repeats=len(values),
        device=stamp,
    )
