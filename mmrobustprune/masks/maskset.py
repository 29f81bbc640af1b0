"""Soft pruning: units that are exactly zero, and stay zero while training goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from mmrobustprune.dependency.groups import Group, find_layer, full, numbers_left, tensors, width
from mmrobustprune.dependency.kinds import blocks_of, kind_of, makes, over_tensor
from mmrobustprune.structure.masked_norm import count_all, count_kept
from mmrobustprune.structure.record import Structure, dense_shape

BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # bytes of a number -> its bits


class MaskSet:
    """The units of a model that are still alive.

    A removed unit has zeros in every tensor slice its group names, producers and consumers alike,
    so that removing the slices changes nothing; norms across channels count those that are alive
    (see `structure.masked_norm`). Zero weight, zero gradient and zero momentum stay
    zero under any optimizer with elementwise state: call `attach` to keep the gradients at zero.

    Args:
        model: the network.
        groups: its groups of channels.

    Attributes:
        alive: bool (units,) of each group.
    """

    def __init__(self, model: nn.Module, groups: Iterable[Group]):
        self.model = model
        self.groups = tuple(groups)
        self.alive = full(self.groups)
        self._handles: list = []
        self._sides = {}  # (layer, side) -> width
        for group in self.groups:
            for part in group.slices:
                self._sides[part.layer, part.side] = width(model, part.layer, part.side)
        layers = dict.fromkeys(layer for layer, _ in self._sides)
        self._norms = {}  # layer -> the side whose channels it counts
        for layer in layers:
            kind = kind_of(find_layer(model, layer))
            if kind.aware and (layer, kind.counted) in self._sides:
                self._norms[layer] = kind.counted
        self._refresh()

    @classmethod
    def planned(
        cls, model: nn.Module, groups: Iterable[Group], alive: dict[str, Tensor]
    ) -> MaskSet:
        """The masks of a removal that is planned: the model itself is left as it is.

        Args:
            alive: as for `remove`.
        Raises:
            ValueError: as `remove` does.
        """
        masks = cls(model, groups)
        masks.alive = masks.alive | masks._checked(alive)
        masks._refresh()
        return masks

    def remove(
        self, alive: dict[str, Tensor], optimizer: torch.optim.Optimizer | None = None
    ) -> None:
        """Remove every unit that `alive` no longer holds.

        Weights, gradients and, with an optimizer, every state tensor of a parameter's shape become
        zero there.

        Args:
            alive: bool (units,) of each group; groups that are left out stay as they are.
            optimizer: whose state becomes zero, too.
        Raises:
            ValueError: an unknown group, a wrong length, a unit that was removed already, or a
                group left empty; nothing is changed then.
        """
        fresh = self._checked(alive)
        for name, mask in fresh.items():
            if (mask & ~self.alive[name]).any():
                raise ValueError(
                    f"units of '{name}' were removed already; pass a mask that is a subset of "
                    '`alive`.'
                )
        self._take(fresh, optimizer)

    def candidates(self) -> dict[str, Tensor]:
        """The units, bool (units,) of each group, that may live after the next choice."""
        return self.alive

    @contextmanager
    def revived(self) -> Iterator[None]:
        """Inside, a score ranks units that may come back; here none may."""
        yield

    def settle(self, optimizer: torch.optim.Optimizer | None = None) -> None:
        """From here on no unit comes back, and all that belongs to the removed ones is zero."""

    def penalty(self) -> Tensor | None:
        """What is added to the loss while units may come back; nothing here."""
        return None

    def _checked(self, alive: dict[str, Tensor]) -> dict[str, Tensor]:
        """Masks of our groups on the CPU, each with a unit that lives."""
        checked = {}
        for name, mask in alive.items():
            if name not in self.alive or mask.shape != self.alive[name].shape:
                raise ValueError(
                    f"the masks name group '{name}' with {tuple(mask.shape)} units, which this "
                    'mask set does not have; use its own groups.'
                )
            checked[name] = mask.detach().to('cpu', torch.bool, copy=True)
            if not checked[name].any():
                raise ValueError(f"no unit of '{name}' would be left; keep at least one.")
        return checked

    def _take(
        self, masks: dict[str, Tensor], optimizer: torch.optim.Optimizer | None = None
    ) -> None:
        """Take up masks that were checked, and zero what they remove."""
        self.alive = self.alive | masks
        self._refresh()
        self._zero(self.model, optimizer)

    def mask_model(self, other: nn.Module) -> None:
        """Mask the same units in another copy of the model (an EMA, for instance)."""
        self._zero(other, None)

    def resume_model(self, other: nn.Module) -> None:
        """`mask_model`, for a copy that was loaded from a checkpoint."""
        self.mask_model(other)

    def attach(self, optimizer: torch.optim.Optimizer | None = None) -> None:
        """Keep the gradients of removed entries at zero from now on (inf does not become nan).

        Args:
            optimizer: of the training, for masks that follow its steps.
        """
        if self._handles:
            return
        for name, parameter in self.model.named_parameters(remove_duplicate=False):
            if name in self._owners and parameter.requires_grad:
                self._handles.append(parameter.register_hook(self._gate(name)))

    def detach(self) -> None:
        """Stop touching gradients and norms."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        for layer in self._norms:
            count_all(find_layer(self.model, layer))

    def kept(self, layer: str, side: str = 'out') -> Tensor:
        """Which channels (width,) of a layer's side are alive, as a bool tensor."""
        if (layer, side) in self._sides:
            return ~self._dead[layer, side]
        return torch.ones(width(self.model, layer, side), dtype=torch.bool)

    def filters(self) -> dict[str, Tensor]:
        """Alive output channels (out,) of every layer in the groups that has filters."""
        return {
            layer: self.kept(layer)
            for layer, side in self._sides
            if side == 'out' and makes(find_layer(self.model, layer))
        }

    def structure(self, method: str, **achieved: float) -> Structure:
        """The record that removes exactly the masked units; `achieved` adds removed fractions."""
        layers: dict[str, dict] = {}
        rank = {name: i for i, (name, _) in enumerate(self.model.named_modules())}
        for (name, side), dead in sorted(
            self._dead.items(),
            key=lambda item: rank.get(item[0][0], rank.get(item[0][0].rpartition('.')[0])),
        ):
            if dead.any():
                layer = find_layer(self.model, name)
                record = layers.setdefault(
                    name, dict(kind=kind_of(layer).name, shape=dense_shape(layer))
                )
                record[side] = torch.nonzero(~dead).flatten().tolist()
        numbers = numbers_left(self.model, self.groups, self.alive)
        shares = dict(channels=self.removed()) | achieved
        return Structure(layers, method, shares, numbers=numbers)

    def removed(self) -> float:
        """Fraction of units removed."""
        units = sum(mask.numel() for mask in self.alive.values())
        return 1 - sum(int(mask.sum()) for mask in self.alive.values()) / max(units, 1)

    def state_dict(self) -> dict[str, Tensor]:
        """`alive`, as it is now."""
        return {name: mask.clone() for name, mask in self.alive.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up the masks of a saved run and zero what they removed.

        Raises:
            ValueError: the masks are of another model.
        """
        self._check_same_groups(state)
        self.alive = full(self.groups)
        self.remove(state)

    def _check_same_groups(self, state: dict[str, Tensor]) -> None:
        if set(state) != set(self.alive):
            odd = sorted(set(state) ^ set(self.alive))[0]
            raise ValueError(
                f"the saved masks are of another model (group '{odd}' is in only one "
                'of them); resume with the model they were saved with.'
            )

    def _refresh(self) -> None:
        """Dead channels per side and, per tensor, a dead mask that broadcasts over its shape."""
        self._dead = {key: torch.zeros(size, dtype=torch.bool) for key, size in self._sides.items()}
        for group in self.groups:
            for part in group.slices:
                self._dead[part.layer, part.side][part.channels(~self.alive[group.name])] = True
        self._owners: dict[str, list] = {}  # tensor name -> [(layer, side, dim)]
        for layer, side in self._sides:
            for name, _, dim in tensors(self.model, layer, side):
                self._owners.setdefault(name, []).append((layer, side, dim))
        touched = {key for key, dead in self._dead.items() if dead.any()}
        self._touched = set()  # tensors with a dead entry
        for name, owners in self._owners.items():
            if any(owner[:2] in touched for owner in owners):
                self._touched.add(name)
        self._masks: dict[str, Tensor] = {}
        self._bits: dict[str, Tensor] = {}

    def _mask(self, name: str, like: Tensor) -> Tensor:
        mask = self._masks.get(name)
        if mask is None or mask.device != like.device:
            mask = torch.zeros((1,) * like.dim(), dtype=torch.bool)
            for part in self._parts(name, like):
                mask = mask | part
            mask = self._masks[name] = mask.to(like.device)
        return mask

    def _parts(self, name: str, like: Tensor) -> Iterator[Tensor]:
        """What is dead in a tensor: a mask for each of its axes, as small as it can be."""
        for layer, side, dim in self._owners[name]:
            blocks = blocks_of(find_layer(self.model, layer), side)
            yield over_tensor(self._dead[layer, side], like, dim, blocks)

    def _gate(self, name: str):
        # a gradient without a masked entry goes on as it is, without a copy
        return lambda grad: self._masked(name, grad) if name in self._touched else None

    def _masked(self, name: str, gradient: Tensor) -> Tensor:
        """`masked_fill` with 0, bit by bit, which takes a third of its time on a CPU."""
        kind = BITS[gradient.itemsize]
        bits = self._bits.get(name)
        if bits is None or (bits.dtype, bits.device) != (kind, gradient.device):
            bits = self._bits[name] = (~self._mask(name, gradient)).to(kind).neg()  # all or none
        return (gradient.view(kind) & bits).view(gradient.dtype)

    @torch.no_grad()
    def _zero(self, model: nn.Module, optimizer: torch.optim.Optimizer | None) -> None:
        for name, parameter in model.named_parameters(remove_duplicate=False):
            if name not in self._touched:
                continue
            states = {} if optimizer is None else optimizer.state.get(parameter, {})
            for tensor in (parameter, parameter.grad, *tree_leaves(dict(states))):
                if isinstance(tensor, Tensor) and tensor.shape == parameter.shape:
                    for part in self._parts(name, tensor):
                        tensor.masked_fill_(part.to(tensor.device), 0)
        self._count(model)

    def _count(self, model: nn.Module) -> None:
        """Norms across channels count those that are alive."""
        for layer, side in self._norms.items():
            count_kept(find_layer(model, layer), ~self._dead[layer, side])
