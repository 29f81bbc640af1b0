"""How far masks move: Hamming distances to the first mask and to the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from mmrobustprune.records.bits import pack_bits, unpack_bits

Masks = Mapping[str, Tensor]
NOTHING: Mapping[str, Tensor] = MappingProxyType({})


@dataclass(frozen=True)
class Hamming:
    """How two masks of one network differ.

    Attributes:
        value: differing entries / all entries; at most 2 min(k, 1 - k) where both keep the share k.
        flipped: differing entries.
        entries: all entries.
        resized: the part of the value that the changed number of kept entries per layer forces;
            the rest are exchanges.
        layers: the value of each layer.
    """

    value: float
    flipped: int
    entries: int
    resized: float
    layers: dict[str, float]


def hamming(a: Masks, b: Masks) -> Hamming:
    """h = |a xor b| / |a|, over all entries of all layers.

    0 for equal masks, 1 for complements; symmetric.

    Args:
        a: {layer: bool}; entries are weights, channels, or whatever the masks are of.
        b: of the same network.

    Raises:
        ValueError: masks of two networks, or of none.
    """
    _check_alike(a, b)
    differ = {name: int((a[name] != b[name].to(a[name].device)).sum()) for name in a}
    forced = sum(abs(int(a[name].sum()) - int(b[name].sum())) for name in a)
    entries = sum(mask.numel() for mask in a.values())
    return Hamming(
        sum(differ.values()) / entries,
        sum(differ.values()),
        entries,
        forced / entries,
        {name: count / a[name].numel() for name, count in differ.items()},
    )


def flipped(a: Masks, b: Masks) -> int:
    """Number of differing entries."""
    return hamming(a, b).flipped


@dataclass
class Stability:
    """The path of the masks of one run, one record per call of `add`.

    Distances say how far the mask is from its start and how much it changed since the last record.
    A search that moves its scores less has smaller ones without being any flatter, so the
    displacement of the scores is recorded beside them: ||s - s_0|| / ||s_0|| and
    ||s - s_before|| / ||s_before||.

    Attributes:
        first: masks (bool, on the CPU); None before `start`.
        previous: those of the last record.
        first_scores: vector (n,) on the CPU, or None where no scores are followed.
        previous_scores: those of the last record.
    """

    first: dict[str, Tensor] | None = None
    previous: dict[str, Tensor] | None = None
    first_scores: Tensor | None = None
    previous_scores: Tensor | None = None

    def start(self, masks: Masks, scores: Mapping[str, Tensor] = NOTHING) -> None:
        """Take the masks, and {layer: scores} where they are to be followed, as the first ones."""
        self.first = self.previous = _kept(masks)
        self.first_scores = self.previous_scores = _vector(scores)

    def add(self, masks: Masks, scores: Mapping[str, Tensor] = NOTHING) -> dict[str, Any]:
        """The next record.

        Returns:
            hamming_first, hamming_previous, resized_first, layers_first, layers_previous, kept,
            and with scores displacement_first, displacement_previous and the former of each layer,
            layers_displacement.

        Raises:
            ValueError: `start` was not called, or masks or scores of another network.
        """
        if self.first is None:
            raise ValueError(
                'there is no first mask to compare with; call start(masks) before the search '
                'begins.'
            )
        masks = _kept(masks)
        vector = _vector(scores)
        first = hamming(self.first, masks)
        previous = hamming(self.previous, masks)
        record = dict(
            hamming_first=first.value,
            hamming_previous=previous.value,
            resized_first=first.resized,
            layers_first=first.layers,
            layers_previous=previous.layers,
            kept={name: int(mask.sum()) for name, mask in masks.items()},
        )
        if self.first_scores is not None and vector is not None:
            if vector.shape != self.first_scores.shape:
                raise ValueError(
                    f'{vector.numel()} scores were given and the first were '
                    f'{self.first_scores.numel()}; follow the scores of one network.'
                )
            record.update(
                displacement_first=_moved(vector, self.first_scores),
                displacement_previous=_moved(vector, self.previous_scores),
                layers_displacement=_moved_by_layer(scores, vector, self.first_scores),
            )
        self.previous = masks
        self.previous_scores = vector
        return record

    def state_dict(self) -> dict[str, Any]:
        """Masks at one bit per entry, and scores; plain types and tensors."""
        return dict(
            first=_packed(self.first),
            previous=_packed(self.previous),
            first_scores=self.first_scores,
            previous_scores=self.previous_scores,
        )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.first = _unpacked(state['first'])
        self.previous = _unpacked(state['previous'])
        self.first_scores = _on_cpu(state['first_scores'])
        self.previous_scores = _on_cpu(state['previous_scores'])


@dataclass(frozen=True)
class Difference:
    """Stability of two runs, epoch by epoch.

    Attributes:
        epochs: those that both have, ascending.
        values: h_original - h_ours; above 0 ours is the more stable.
        mean: of the values.
    """

    epochs: list[int]
    values: list[float]
    mean: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, 'mean', sum(self.values) / len(self.values))


def signed_difference(
    original: Sequence[Mapping[str, Any]],
    ours: Sequence[Mapping[str, Any]],
    key: str = 'hamming_first',
) -> Difference:
    """h_original - h_ours of two runs' records, by their 'epoch'.

    Raises:
        ValueError: they have no epoch with that value in common.
    """
    theirs = _by_epoch(original, key)
    own = _by_epoch(ours, key)
    epochs = sorted(theirs.keys() & own.keys())
    if not epochs:
        raise ValueError(
            f"the two runs have no epoch with '{key}' in common; measure both at the same epochs."
        )
    return Difference(epochs, [theirs[epoch] - own[epoch] for epoch in epochs])


def _by_epoch(records: Sequence[Mapping[str, Any]], key: str) -> dict[int, float]:
    return {one['epoch']: one[key] for one in records if one.get(key) is not None}


def pack(masks: Masks) -> dict[str, dict[str, Any]]:
    """Layer -> its bits as a uint8 tensor, eight entries a byte, and its shape."""
    return {
        name: dict(bits=pack_bits(mask), shape=list(mask.shape)) for name, mask in masks.items()
    }


def unpack(packed: Mapping[str, Mapping[str, Any]]) -> dict[str, Tensor]:
    """The masks that `pack` was given."""
    return {name: unpack_bits(one['bits'], one['shape']) for name, one in packed.items()}


def _check_alike(a: Masks, b: Masks) -> None:
    odd = sorted(a.keys() ^ b.keys()) or [name for name in a if a[name].shape != b[name].shape]
    if odd:
        raise ValueError(
            f"the masks are of two networks ('{odd[0]}' is not the same in both); compare masks "
            'of one.'
        )
    if not sum(mask.numel() for mask in a.values()):
        raise ValueError('the masks have no entry; give those of a network with layers to prune.')
    for name, mask in (*a.items(), *b.items()):
        if mask.dtype != torch.bool:
            raise ValueError(f"the mask of '{name}' is not of bools; give mask != 0.")


def _kept(masks: Masks) -> dict[str, Tensor]:
    return {name: mask.detach().cpu().clone() for name, mask in masks.items()}


def _vector(scores: Mapping[str, Tensor]) -> Tensor | None:
    parts = [one.detach().reshape(-1).cpu() for one in scores.values()]
    return torch.cat(parts) if parts else None


def _on_cpu(vector: Tensor | None) -> Tensor | None:
    """A resumed run may have loaded it onto its GPU."""
    return None if vector is None else vector.cpu()


def _moved(now: Tensor, then: Tensor) -> float:
    return float((now - then).norm() / then.norm().clamp_min(torch.finfo(then.dtype).tiny))


def _moved_by_layer(scores: Mapping[str, Tensor], now: Tensor, then: Tensor) -> dict[str, float]:
    sizes = [one.numel() for one in scores.values()]
    parts = zip(scores, now.split(sizes), then.split(sizes), strict=True)
    return {name: _moved(ours, first) for name, ours, first in parts}


def _packed(masks: Masks | None) -> dict | None:
    return None if masks is None else pack(masks)


def _unpacked(packed: Mapping | None) -> dict[str, Tensor] | None:
    return None if packed is None else unpack(packed)
