"""A network whose layers carry scores: its masks, its parameters, the way to plain weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from .layers import affine_parameters, check_masks, thaw
from .parametrizations import Kept, Scored
from .topk import kept_count

SLACK = 5e-5  # a constraint holds when its excess rounds to 0 at four decimals


class ScoredNetwork:
    """What a host makes of a model; the model itself stays the same object with the same modules.

    Args:
        model: the network, with `layers` registered as parametrizations of their weights.
        layers: {module name: the parametrization of its weight}, in registration order.
        target: fraction to remove, in (0, 1).
        before: every parameter with the requires_grad it had before the search (see `freeze`).
    """

    def __init__(
        self,
        model: nn.Module,
        layers: dict[str, Scored],
        target: float,
        before: list[tuple[nn.Parameter, bool]],
    ):
        self.model = model
        self.layers = layers
        self.target = target
        self._before = before

    # --- what is trained --------------------------------------------------------------------------

    def score_parameters(self) -> list[nn.Parameter]:
        """The scores of every layer; those that layers share, once."""
        return list(self.named_scores().values())

    def named_scores(self) -> dict[str, nn.Parameter]:
        """{layer: scores}; those that layers share under the first of them."""
        found = {}
        seen = set()
        for name, layer in self.layers.items():
            if id(layer.scores) not in seen:
                found[name] = layer.scores
            seen.add(id(layer.scores))
        return found

    def trained_parameters(self) -> list[nn.Parameter]:
        """What the search trains: scores, learned rates, the affine part of normalisations."""
        found = []
        for layer in self.layers.values():
            found += layer.parameters()
        found += [p for p in affine_parameters(self.model) if p.requires_grad]
        return list({id(p): p for p in found}.values())

    def weights(self) -> dict[str, nn.Parameter]:
        """The frozen weight behind each layer's mask."""
        return {
            name: self.model.get_submodule(name).parametrizations.weight.original
            for name in self.layers
        }

    def climbable_weights(self) -> dict:
        """An optimizer group of the weights with a learning rate of 0.

        They get gradients from now on, so that a rule can perturb them (`*.weight.original`) in
        place of the scores, and stay what they are.
        """
        weights = list(self.weights().values())
        for weight in weights:
            weight.requires_grad_()
        return dict(params=weights, lr=0.0, weight_decay=0.0)

    def penalty(self) -> Tensor | None:
        """What to add to the loss, weighted already; None where the host has none."""
        return None

    def begin_epoch(self, epoch: int) -> None:
        """Tell that an epoch, counted from 0, begins."""

    def end_epoch(self) -> None:
        """Tell that the epoch is over."""

    # --- what is kept -----------------------------------------------------------------------------

    def check(self) -> None:
        """ValueError for a layer whose scores, or learned rate, are not finite."""
        for name, layer in self.layers.items():
            if not all(torch.isfinite(learned).all() for learned in layer.parameters()):
                raise ValueError(
                    f"the scores of '{name}' are infinite or NaN, so they choose nothing; resume "
                    'from an earlier checkpoint with a smaller learning rate.'
                )

    @torch.no_grad()
    def masks(self) -> dict[str, Tensor]:
        """{layer: bool mask of its weight's shape}.

        Raises:
            ValueError: a layer whose scores are not finite.
        """
        self.check()
        return {
            name: self.layers[name].hard.expand_as(weight).clone()
            for name, weight in self.weights().items()
        }

    def kept(self) -> dict[str, int]:
        """{layer: number of weights kept}."""
        weights = self.weights()
        return {
            name: layer.kept * (weights[name].numel() // layer.scores.numel())
            for name, layer in self.layers.items()
        }

    def rates(self) -> dict[str, float]:
        """{layer: share of its weights kept}."""
        kept = self.kept()
        return {name: kept[name] / weight.numel() for name, weight in self.weights().items()}

    def ratio(self) -> float:
        """Fraction removed of all weights that have a mask."""
        return 1 - sum(self.kept().values()) / self._entries()

    def meets_target(self) -> bool:
        """Whether the true counts, not the rates, remove the target."""
        allowed = sum(kept_count(weight.numel(), self.target) for weight in self.weights().values())
        return sum(self.kept().values()) <= allowed * (1 + SLACK)

    def _entries(self) -> int:
        return sum(weight.numel() for weight in self.weights().values())

    # --- state and the way out --------------------------------------------------------------------

    def state_dict(self) -> dict:
        """The host's own numbers, plain types; scores and rates are in the model's state dict."""
        return {}

    def load_state_dict(self, state: Mapping) -> None:
        """Take back what `state_dict` gave."""

    def bake(self, masks: Mapping[str, Tensor] | None = None, zero: bool = True) -> None:
        """Take the scores off and fix the masks, so that the kept weights can be trained.

        Args:
            masks: {layer: bool mask of its weight's shape}; default: the current ones.
            zero: removed weights become exactly zero, and stay so under an optimizer with
                elementwise state; with False they keep their values behind the mask.
        """
        masks = self.masks() if masks is None else masks
        check_masks(self.model, masks)
        for name in self.layers:
            _take_off(self.model.get_submodule(name))
        thaw(self._before)
        self.layers = {}
        keep_only(self.model, masks, zero)

    @staticmethod
    def plain_state(model: nn.Module) -> dict[str, Tensor]:
        """The state dict of the plain network: every parametrized tensor as it takes effect."""
        state = {}
        for key, value in model.state_dict().items():
            owner, parametrized, rest = key.partition('parametrizations.')
            tensor, _, part = rest.partition('.')
            if parametrized and part.startswith('original'):
                module = model.get_submodule(owner.rstrip('.'))
                state[owner + tensor] = getattr(module, tensor).detach().clone()
            elif not parametrized:
                state[key] = value
        return state


@torch.no_grad()
def keep_only(model: nn.Module, masks: Mapping[str, Tensor], zero: bool = True) -> None:
    """Multiply the weights of a plain network by fixed masks, in place of `Scored` or from a file.

    Args:
        masks: {layer: bool mask of its weight's shape}; other layers stay dense.
        zero: removed weights become exactly zero.

    Raises:
        ValueError: masks of another network, or one that leaves a layer without weights.
    """
    check_masks(model, masks)
    for name, mask in masks.items():
        layer = model.get_submodule(name)
        mask = mask.to(layer.weight.device).bool()
        if zero:
            layer.weight.masked_fill_(~mask, 0)
        parametrize.register_parametrization(layer, 'weight', Kept(mask))


def kept_masks(model: nn.Module) -> dict[str, Tensor]:
    """{layer: mask} of a network that `bake` or `keep_only` has fixed."""
    found = {}
    for name, module in model.named_modules():
        for part in _parts(module):
            if isinstance(part, Kept):
                found[name] = part.mask
    return found


def make_plain(model: nn.Module) -> nn.Module:
    """Take every `Scored` and `Kept` off, in place.

    Returns:
        The model, with the effective weights.
    """
    for module in list(model.modules()):
        if any(isinstance(part, (Scored, Kept)) for part in _parts(module)):
            effective = module.weight.detach().clone()
            _take_off(module)
            with torch.no_grad():
                module.weight.copy_(effective)
    return model


def _parts(module: nn.Module) -> list[nn.Module]:
    """What a module's weight goes through."""
    parametrized = parametrize.is_parametrized(module, 'weight')
    return list(module.parametrizations.weight) if parametrized else []


def _take_off(module: nn.Module) -> None:
    """Take the parametrization of a weight off one module.

    Copies of the module keep theirs, though torch lets them share its class.
    """
    shared = type(module)
    module.__class__ = type(shared.__name__, shared.__bases__, dict(vars(shared)))
    parametrize.remove_parametrizations(module, 'weight', leave_parametrized=False)
