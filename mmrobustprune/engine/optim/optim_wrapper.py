"""OptimWrappers that take the gradient at perturbed weights, by recording the forward call."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from types import MappingProxyType
from typing import Any

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from mmrobustprune.registry import OPTIM_WRAPPERS
from mmrobustprune.sharpness import Ascent, Rule, build_ascent, build_rule
from mmrobustprune.sharpness.ascents import parameters
from mmrobustprune.sharpness.step import refuse_unsupported

from .compiled import CompiledForward
from .passes import RecordedPasses


class SharpnessMixin:
    """An update by the gradient at w + e for an OptimWrapper, in the passes that the ascent asks.

    Where the model's forward call begins in `optim_context`, the ascent is asked what is to be
    done; `update_params` makes the other passes by repeating that call with the same random
    numbers. Weights come back bit by bit; buffers and logged losses are those at w, or at w + e
    where an ascent makes that pass alone. With accumulation every micro-batch has its own passes;
    gradients are clipped once, at the update. Under DistributedDataParallel the first of two passes
    is not synchronised. The checkpoint holds what the base wrapper's holds; what an ascent
    remembers is in the optimizer's state.

    Args:
        rule: dict(type='SAM' | 'ASAM' | 'AdaSAP' | 'AWP', ...); a rule; None trains plainly, in one
            pass. Can be replaced between steps through the attribute `rule`.
        ascent: what the rule makes its offset of: 'fresh' | 'previous' | 'momentum' | 'look' |
            'sampled' | 'part', or dict(type='look', k=5) with the fields of one in
            `mmrobustprune.sharpness.ascents`. Can be replaced, too.
        interval: perturb at every interval-th update; the others are plain.
        log_interval: log 'train/sharpness' = loss(w + e) - loss(w) and 'train/grad_norm_w', the L2
            norm of the first gradient, every log_interval-th perturbed step that has both.
        compile: the model's forward is compiled for all passes: True, or a dict with arguments of
            torch.compile. PruneRunner takes it from `compile` in the config.
        **kwargs: of the base wrapper.

    Raises:
        ValueError: an unknown rule, ascent or field, several optimizers, one that does not go with
            the ascent, a sharded model, a compiled train_step, or a training step that cannot be
            repeated.
    """

    rule_type = 'SAM'

    def __init__(
        self,
        optimizer: Optimizer,
        *,
        rule: Mapping | Rule | None = MappingProxyType({}),
        ascent: str | Mapping | Ascent = 'fresh',
        interval: int = 1,
        log_interval: int = 10,
        compile: bool | Mapping | None = None,
        **kwargs: Any,
    ):
        if not isinstance(optimizer, Optimizer):
            raise ValueError(
                f'{type(self).__name__} takes one torch optimizer, not {type(optimizer).__name__}; '
                'several (OptimWrapperDict) cannot share two passes.'
            )
        for name, value in dict(interval=interval, log_interval=log_interval).items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f'{name}={value!r} is no whole number >= 1; 1 means every step.')
        super().__init__(optimizer=optimizer, **kwargs)
        self.rule = rule
        self.ascent = ascent
        self.interval = interval
        self.log_interval = log_interval
        self._compiled = CompiledForward(compile) if compile else None
        self._passes: RecordedPasses | None = None
        self._plain = False  # this step was begun without a rule
        self.perturbed_loss: Tensor | None = None  # of the last step, where that took two passes
        self._before_clipping: dict[int, Callable] = OrderedDict()
        self._checked = False  # that the loss is the model's, once

    @property
    def rule(self) -> Rule | None:
        return self._rule

    @rule.setter
    def rule(self, rule: Mapping | Rule | None) -> None:
        self._rule = build_rule(rule, default=self.rule_type)

    @property
    def ascent(self) -> Ascent:
        return self._ascent

    @ascent.setter
    def ascent(self, ascent: str | Mapping | Ascent) -> None:
        self._ascent = build_ascent(ascent)

    def refuse(self, model: nn.Module) -> None:
        """Raise ValueError for a model or an optimizer that perturbed steps do not work with."""
        refuse_model(model)
        self.ascent.check(self.optimizer, self.rule)

    def initialize_count_status(self, model: nn.Module, init_counts: int, max_counts: int) -> None:
        if self.rule is not None:
            self.refuse(model)
        super().initialize_count_status(model, init_counts, max_counts)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """As the base's, and the ascent is asked when `model` is called inside."""
        if self._passes is not None:
            self._passes.abandon()
        self._passes = self.perturbed_loss = None
        rests = self._update % self.interval != 0
        self._plain = self.rule is None or (rests and not self.ascent.follows)
        if self._plain:
            with self.pass_context(model):
                yield
            return
        refuse_model(model)
        self._passes = RecordedPasses(self, model, check=not self._checked, rests=rests)
        with self.pass_context(model), self._passes.listen():
            yield

    def update_params(
        self, loss: Tensor, step_kwargs: dict | None = None, zero_kwargs: dict | None = None
    ) -> None:
        """As the base's, with the gradient that the ascent's passes give."""
        passes = self._passes
        plain = self._plain
        self._passes = None
        self._plain = False
        if passes is not None:
            passes.finish(loss)
            self._checked = True
            self.perturbed_loss = passes.perturbed_loss
            self._inner_count += 1  # one step, whatever the number of passes
            if self.should_update():
                with passes.step.noted():
                    self.step(**(step_kwargs or {}))
                self.zero_grad(**(zero_kwargs or {}))
        elif plain or self.rule is None:
            super().update_params(loss, step_kwargs, zero_kwargs)
        else:
            raise ValueError(
                'update_params got a loss whose forward call was not recorded; compute it inside '
                '`with optim_wrapper.optim_context(model):`, once per update_params.'
            )

    def step(self, **kwargs: Any) -> None:
        if self._passes is not None:
            raise ValueError(
                'step was called although the second pass is still due; call update_params(loss) '
                'instead of backward and step, or train with rule=None.'
            )
        super().step(**kwargs)

    def rank_state(self) -> dict[str, Any]:
        """What the checkpoint holds of every process by itself."""
        return {} if self.rule is None else self.rule.rank_state()

    def opens_update(self) -> bool:
        """Whether the batch that comes is the first one of its update."""
        return self._inner_count % self._accumulative_counts == 0

    @contextmanager
    def pass_context(self, model: nn.Module) -> Iterator[None]:
        """The base's `optim_context`, for one pass."""
        compiled = nullcontext() if self._compiled is None else self._compiled.inside(model)
        with super().optim_context(model), compiled:
            yield

    def backward_of(self, loss: Tensor) -> None:
        """The backward pass of a loss, which is not counted.

        It is backward, never torch.autograd.grad: only backward passes reentrant checkpoints
        (with_cp).
        """
        self.backward(self.scale_loss(loss))
        self._inner_count -= 1

    def log(self, name: str, value: Callable[[], Tensor]) -> None:
        """Write 'train/name', if this update is one whose numbers are logged."""
        if self._update // self.interval % self.log_interval == 0:
            self.message_hub.update_scalar(f'train/{name}', float(value()))

    def gradient_norm(self) -> Tensor:
        """L2 norm of the loss's gradient, without the factors of accumulation and loss scaling."""
        held = [p.grad for p in parameters(self.optimizer) if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(held)
        return norm / self.scale_loss(torch.ones(())).item() / self._loss_scale()

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """As the optimizer's, but called with the loss's gradients, before they are clipped."""
        if not self.clip_grad_kwargs:
            return self.optimizer.register_step_pre_hook(hook)
        handle = RemovableHandle(self._before_clipping)
        self._before_clipping[handle.id] = hook
        return handle

    def _clip_grad(self) -> None:
        for hook in tuple(self._before_clipping.values()):
            hook(self.optimizer, (), {})
        super()._clip_grad()

    @property
    def _update(self) -> int:
        """Number of the update that this micro-batch belongs to."""
        return self._inner_count // self._accumulative_counts

    def _loss_scale(self) -> float:
        return 1.0


def refuse_model(model: nn.Module) -> None:
    """Raise ValueError for a model whose training step two passes cannot repeat."""
    refuse_unsupported(model)
    names = {cls.__name__ for cls in type(model).__mro__}
    if 'MMSeparateDistributedDataParallel' in names:
        raise ValueError(
            'two passes do not work under MMSeparateDistributedDataParallel and OptimWrapperDict; '
            'train with one optimizer and MMDistributedDataParallel, or with rule=None.'
        )
    compiled = vars(model).get('train_step')
    if torch.compiler.is_compiling() or hasattr(compiled, '_torchdynamo_orig_callable'):
        raise ValueError(
            'two passes do not work with a compiled train_step; let '
            'optim_wrapper=dict(compile=True) compile the forward instead of compile=True in the '
            'config, as PruneRunner does, or train with rule=None.'
        )


class AnyDeviceAmp(AmpOptimWrapper):
    """AmpOptimWrapper that on a CPU (`compat.fixes`) leaves a checkpoint a GPU can load.

    Raises:
        ValueError: use_fsdp=True.
    """

    def __init__(self, use_fsdp: bool = False, **kwargs: Any):
        if use_fsdp:
            raise ValueError(
                'two passes do not work under FSDP (use_fsdp=True); train with '
                'DistributedDataParallel, or with rule=None.'
            )
        super().__init__(**kwargs)

    def state_dict(self) -> dict:
        state = super().state_dict()
        if not self.loss_scaler.is_enabled():
            state.pop('loss_scaler')  # an empty one could not be loaded on a GPU
        return state


@OPTIM_WRAPPERS.register_module()
class SAMOptimWrapper(SharpnessMixin, OptimWrapper):
    """OptimWrapper in two passes: `SharpnessMixin`, by default with `SAM`."""


@OPTIM_WRAPPERS.register_module()
class ASAMOptimWrapper(SAMOptimWrapper):
    """`SAMOptimWrapper` whose rule is `ASAM` unless it names its type."""

    rule_type = 'ASAM'


@OPTIM_WRAPPERS.register_module()
class AdaSAPOptimWrapper(SAMOptimWrapper):
    """`SAMOptimWrapper` whose rule is `AdaSAP` unless it names its type."""

    rule_type = 'AdaSAP'


@OPTIM_WRAPPERS.register_module()
class AWPOptimWrapper(SAMOptimWrapper):
    """`SAMOptimWrapper` whose rule is `AWP` unless it names its type."""

    rule_type = 'AWP'


@OPTIM_WRAPPERS.register_module()
class AmpSAMOptimWrapper(SharpnessMixin, AnyDeviceAmp):
    """Mixed-precision `SAMOptimWrapper`; on a CPU it autocasts to bfloat16."""

    def _loss_scale(self) -> float:
        return self.loss_scaler.get_scale()


@OPTIM_WRAPPERS.register_module()
class AmpASAMOptimWrapper(AmpSAMOptimWrapper):
    """`AmpSAMOptimWrapper` whose rule is `ASAM` unless it names its type."""

    rule_type = 'ASAM'


@OPTIM_WRAPPERS.register_module()
class AmpAdaSAPOptimWrapper(AmpSAMOptimWrapper):
    """`AmpSAMOptimWrapper` whose rule is `AdaSAP` unless it names its type."""

    rule_type = 'AdaSAP'


@OPTIM_WRAPPERS.register_module()
class AmpAWPOptimWrapper(AmpSAMOptimWrapper):
    """`AmpSAMOptimWrapper` whose rule is `AWP` unless it names its type."""

    rule_type = 'AWP'


def set_rule(
    wrapper: OptimWrapper, rule: Mapping | None, ascent: str | Mapping | Ascent = 'fresh'
) -> None:
    """Give the OptimWrapper a sharpness rule and an ascent, or plain training.

    Raises:
        ValueError: a rule for a wrapper that makes one pass only, or an ascent that its optimizer
            or rule does not go with.
    """
    if isinstance(wrapper, SharpnessMixin):
        wrapper.rule = None if rule is None else build_rule(rule)
        wrapper.ascent = ascent
        if rule is not None:
            wrapper.ascent.check(wrapper.optimizer, wrapper.rule)
    elif rule is not None:
        raise ValueError(
            f"the rule {rule} needs an optim_wrapper of type 'mmrobustprune.SAMOptimWrapper' (or "
            f'its Amp form), not {type(wrapper).__name__}; '
            "runner_type='mmrobustprune.PruneRunner' sets it for you."
        )
