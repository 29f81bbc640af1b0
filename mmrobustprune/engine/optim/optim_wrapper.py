"""OptimWrappers that take the gradient at perturbed weights, by recording the forward call."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from mmrobustprune.flags import frozen_buffers
from mmrobustprune.registry import OPTIM_WRAPPERS
from mmrobustprune.rng import preserved_rng
from mmrobustprune.sharpness import Rule, build_rule
from mmrobustprune.sharpness.step import (
    bare,
    every_parameter,
    perturbed,
    refuse_unsupported,
    swap_gradients,
    unsynchronised,
    warn_if_far,
)

from .recorded_call import Recording, check_loss, warn_if_stateful


class SharpnessMixin:
    """Two passes for an OptimWrapper: gradient at w, move to w + e, gradient there, back, update.

    `optim_context` records the model's forward call, `update_params` repeats it at w + e with the
    same random numbers. Weights come back bit by bit; buffers and logged losses are those at w.
    With accumulation every micro-batch has its own e; gradients are clipped once, at the update.
    Under DistributedDataParallel the first pass is not synchronised. The checkpoint holds what the
    base wrapper's holds.

    Args:
        rule: dict(type='SAM' | 'ASAM' | 'AdaSAP' | 'AWP', ...); a rule; None trains plainly, in one
            pass. Can be replaced between steps through the attribute `rule`.
        interval: perturb at every interval-th update; the others are plain.
        log_interval: log 'train/sharpness' = loss(w + e) - loss(w) and 'train/grad_norm_w', the L2
            norm of the first gradient, every log_interval-th perturbed step.
        **kwargs: of the base wrapper.

    Raises:
        ValueError: an unknown rule or field, several optimizers, a sharded or compiled model, or a
            training step that two passes cannot repeat.
    """

    rule_type = 'SAM'

    def __init__(
        self,
        optimizer: Optimizer,
        *,
        rule: Mapping | Rule | None = MappingProxyType({}),
        interval: int = 1,
        log_interval: int = 10,
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
        self.interval = interval
        self.log_interval = log_interval
        self._recording: Recording | None = None
        self._plain = False  # this step was begun with one pass
        self.perturbed_loss: Tensor | None = None  # of the last step, where that took two passes
        self._before_clipping: dict[int, Callable] = OrderedDict()
        self._loss_checked = False

    @property
    def rule(self) -> Rule | None:
        return self._rule

    @rule.setter
    def rule(self, rule: Mapping | Rule | None) -> None:
        self._rule = build_rule(rule, default=self.rule_type)

    def initialize_count_status(self, model: nn.Module, init_counts: int, max_counts: int) -> None:
        if self.rule is not None:
            refuse_model(model)
        super().initialize_count_status(model, init_counts, max_counts)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """As the base's, and the forward call of `model` inside is recorded."""
        self._recording = self.perturbed_loss = None
        self._plain = self.rule is None or self._update % self.interval != 0
        if self._plain:
            with super().optim_context(model):
                yield
            return
        refuse_model(model)
        if not self._loss_checked:  # the first step in two passes, whenever a rule came
            warn_if_stateful(model)
        recording = Recording(model, keep_output=not self._loss_checked)
        with unsynchronised(model), recording.listen(), super().optim_context(model):
            self._recording = recording
            yield

    def update_params(
        self, loss: Tensor, step_kwargs: dict | None = None, zero_kwargs: dict | None = None
    ) -> None:
        """As the base's, with the gradient of a second pass at perturbed weights."""
        recording = self._recording
        plain = self._plain
        self._recording = None
        self._plain = False
        if recording is not None:
            self._two_backwards(recording, loss)
            if self.should_update():
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
        if self._recording is not None:
            raise ValueError(
                'step was called although the second pass is still due; call update_params(loss) '
                'instead of backward and step, or train with rule=None.'
            )
        super().step(**kwargs)

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

    def _two_backwards(self, recording: Recording, loss: Tensor) -> None:
        call = recording.only_call()
        model = bare(recording.model)
        rule = self.rule
        if recording.keep_output:
            check_loss(call, loss)
            self._loss_checked = True
        log = self._update // self.interval % self.log_interval == 0
        params = every_parameter(model, self.optimizer)
        accumulated = swap_gradients(params)
        # backward, never torch.autograd.grad: only backward passes reentrant checkpoints (with_cp)
        self.backward(self.scale_loss(loss))
        self._inner_count -= 1  # one step, whatever the number of passes
        if log:
            self._log('grad_norm_w', self._gradient_norm(params))
        with perturbed(model, self.optimizer, rule):
            swap_gradients(params, accumulated)
            with frozen_buffers(model), preserved_rng(call.start):
                with super().optim_context(recording.model):
                    output = call.replay()
                second = call.loss(output)
                self.backward(self.scale_loss(second))
        self.perturbed_loss = second.detach()
        if log:
            self._log('sharpness', self.perturbed_loss - loss.detach())
        warn_if_far(rule, loss, second)

    def _gradient_norm(self, params: list[nn.Parameter]) -> Tensor:
        """L2 norm of the loss's gradient, without the factors of accumulation and loss scaling."""
        norm = torch.nn.utils.get_total_norm([p.grad for p in params if p.grad is not None])
        return norm / self.scale_loss(torch.ones(())).item() / self._loss_scale()

    def _loss_scale(self) -> float:
        return 1.0

    def _log(self, name: str, value: Tensor) -> None:
        self.message_hub.update_scalar(f'train/{name}', float(value))


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
            'two passes do not work with a compiled train_step; leave `compile` out of the config, '
            'or train with rule=None.'
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


def set_rule(wrapper: OptimWrapper, rule: Mapping | None) -> None:
    """Give the OptimWrapper a sharpness rule, or plain training.

    Raises:
        ValueError: a rule for a wrapper that makes one pass only.
    """
    if isinstance(wrapper, SharpnessMixin):
        wrapper.rule = None if rule is None else build_rule(rule)
    elif rule is not None:
        raise ValueError(
            f"the rule {rule} needs an optim_wrapper of type 'mmrobustprune.SAMOptimWrapper' (or "
            f'its Amp form), not {type(wrapper).__name__}; '
            "runner_type='mmrobustprune.PruneRunner' sets it for you."
        )
