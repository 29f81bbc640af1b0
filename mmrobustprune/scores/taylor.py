"""What the loss would lose, to first order."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from mmrobustprune.dependency.groups import Group, Slice, find_layer
from mmrobustprune.dependency.kinds import bias_of, is_batch_norm, kind_of, makes, weight_of

from .base import Score, Watching, filter_rows, makers, producing
from .bn_scale import norms, over_filters


class Taylor(Score):
    """s_i = mean over batches of (sum of w g over the parameters w of filter i)^2.

    First-order Taylor importance (arXiv:1906.10771). A unit's score is the sum over the filters it
    takes along. Call `observe` after each backward pass, or `watch` an optimizer once.
    """

    needs_gradient = True

    def __init__(self):
        self.sums: dict[str, Tensor] = {}
        self.batches = 0

    def layers(self, model: nn.Module) -> Iterable[tuple[str, nn.Module]]:
        """The layers whose parameters are observed."""
        return makers(model)

    @torch.no_grad()
    def observe(self, model: nn.Module) -> None:
        """Add the gradients that the last backward pass left in the parameters.

        A batch whose gradients overflowed is left out, as mixed precision skips its step.
        """
        products = {
            name: self._product(layer) for name, layer in self.layers(model) if _has_gradient(layer)
        }
        if all(torch.isfinite(product).all() for product in products.values()):
            for name, value in self._losses(model, products).items():
                before = self.sums.get(name)
                self.sums[name] = value if before is None else before.to(value.device) + value
            self.batches += 1

    def watch(
        self, model: nn.Module, stepper: torch.optim.Optimizer, groups: Iterable[Group] = ()
    ) -> Watching:
        """Observe before every step."""
        return Watching(stepper.register_step_pre_hook(lambda *_: self.observe(model)))

    @property
    def ready(self) -> bool:
        """Whether a backward pass was observed."""
        return self.batches > 0

    def can_score(self, model: nn.Module, group: Group) -> bool:
        """Whether a layer of the group has gradients."""
        parts = self._parts(model, group)
        return any(weight_of(find_layer(model, part.layer)).requires_grad for part in parts)

    def _losses(self, model: nn.Module, products: dict[str, Tensor]) -> dict[str, Tensor]:
        """What a batch adds to the sums, of the products sum of w g by layer."""
        return {name: product.square() for name, product in products.items()}

    def reset(self) -> None:
        """Forget every observation."""
        self.sums = {}
        self.batches = 0

    def state_dict(self) -> dict:
        """The type of the score, its sums and the number of batches."""
        return dict(type=type(self).__name__, sums=dict(self.sums), batches=self.batches)

    def load_state_dict(self, state: dict) -> None:
        """Take back what `state_dict` gave.

        Raises:
            ValueError: another score saw it.
        """
        super().load_state_dict(state)
        self.sums = dict(state['sums'])
        self.batches = state['batches']

    def _product(self, layer: nn.Module) -> Tensor:
        """sum of w g (out,) over weight and bias."""
        weight = weight_of(layer)
        bias = bias_of(layer)
        total = filter_rows(layer, of=weight * weight.grad).sum(1)
        if bias is not None and bias.grad is not None:
            total = total + bias * bias.grad
        return total

    def __call__(self, model: nn.Module, groups: Iterable[Group]) -> dict[str, Tensor]:
        return {group.name: self._score(model, group) for group in groups}

    def _score(self, model: nn.Module, group: Group) -> Tensor:
        # A frozen layer has no gradient; the layers coupled with it speak for the group.
        seen = [
            (part, self.sums[part.layer])
            for part in self._parts(model, group)
            if part.layer in self.sums
        ]
        if not seen:
            raise self._unseen(group)
        return sum(total[part.index.to(total.device)].sum(1) for part, total in seen) / self.batches

    def _unseen(self, group: Group) -> ValueError:
        return ValueError(
            f"{type(self).__name__} saw no gradient in group '{group.name}'; call observe(model) "
            'after a backward pass that reaches it, or name it in ignore.'
        )

    def _parts(self, model: nn.Module, group: Group) -> list[Slice]:
        return producing(model, group)

    def filters(self, model: nn.Module, groups: Iterable[Group] = ()) -> dict[str, Tensor]:
        return {
            name: self.sums[name] / self.batches for name, _ in makers(model) if name in self.sums
        }


def _has_gradient(layer: nn.Module) -> bool:
    weight = weight_of(layer)
    return weight is not None and weight.grad is not None


class TaylorBN(Taylor):
    """s_i = mean over batches of (gamma_i g_gamma_i + beta_i g_beta_i)^2 (arXiv:1906.10771, 5.1).

    Summed over the batch normalisations of the group; a group that has none which
    learn is scored by its filters, as `Taylor` does.
    """

    def layers(self, model: nn.Module) -> Iterable[tuple[str, nn.Module]]:
        return (
            (name, layer)
            for name, layer in model.named_modules()
            if is_batch_norm(layer) or makes(layer)
        )

    def _product(self, layer: nn.Module) -> Tensor:
        if not is_batch_norm(layer):
            return super()._product(layer)
        return layer.weight * layer.weight.grad + layer.bias * layer.bias.grad

    def _parts(self, model: nn.Module, group: Group) -> list[Slice]:
        learning = [
            part
            for part in norms(model, group)
            if find_layer(model, part.layer).weight.requires_grad
        ]
        return learning or super()._parts(model, group)

    def filters(self, model: nn.Module, groups: Iterable[Group] = ()) -> dict[str, Tensor]:
        groups = tuple(groups)
        return over_filters(self(model, groups), model, groups)


class HALPTaylor(TaylorBN):
    """s_i = mean over batches of |sum of gamma_i g_gamma_i + beta_i g_beta_i|.

    The sum runs over the batch normalisations of the group, so that layers that lose a unit
    together are summed before the absolute value, in units of the loss (HALP, arXiv:2110.10811). A
    group without batch normalisation is scored by w g of its filters. `watch` is told the groups.
    """

    def __init__(self):
        super().__init__()
        self.groups: tuple[Group, ...] = ()

    def watch(
        self, model: nn.Module, stepper: torch.optim.Optimizer, groups: Iterable[Group] = ()
    ) -> Watching:
        """Observe before every step what the groups lose together."""
        self.groups = tuple(groups)
        return super().watch(model, stepper)

    def _losses(self, model: nn.Module, products: dict[str, Tensor]) -> dict[str, Tensor]:
        if not self.groups:
            raise ValueError(
                f'{type(self).__name__} adds up what is coupled in every batch; tell it the groups '
                'by watch(model, optimizer, groups).'
            )
        found = {}
        for group in self.groups:
            seen = [
                products[part.layer][part.index.to(products[part.layer].device)].sum(1)
                for part in self._parts(model, group)
                if part.layer in products
            ]
            if seen:
                found[group.name] = sum(seen).abs()
        return found

    def _score(self, model: nn.Module, group: Group) -> Tensor:
        if group.name not in self.sums:
            raise self._unseen(group)
        return self.sums[group.name] / self.batches


class InputTaylor(HALPTaylor):
    """s_i = mean over batches of |sum of w g over the weights w that read channel i|.

    What the loss would lose, to first order, if no layer read the channel (SMCP, arXiv:2211.02206).
    The sum runs over all layers that read it. `watch` is told the groups.
    """

    def layers(self, model: nn.Module) -> Iterable[tuple[str, nn.Module]]:
        return ((name, layer) for name, layer in makers(model) if _reads(layer))

    def _product(self, layer: nn.Module) -> Tensor:
        weight = weight_of(layer)
        return filter_rows(layer, 'in', weight * weight.grad).sum(1)

    def _parts(self, model: nn.Module, group: Group) -> list[Slice]:
        return [
            part
            for part in group.slices
            if part.side == 'in' and makes(find_layer(model, part.layer))
        ]


def _reads(layer: nn.Module) -> bool:
    kind = kind_of(layer)
    return kind is not None and 'in' in kind.dims
