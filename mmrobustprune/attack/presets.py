"""Sets of attacks as data: each entry is an attack's name and its fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmrobustprune.naming import unknown

from .auto import AutoAttack, Square
from .base import Attack
from .gradient import FGSM, PGD
from .numbers import number

ATTACKS: dict[str, type[Attack]] = {kind.name: kind for kind in (FGSM, PGD, AutoAttack, Square)}

# What SR-GKP's tables were made with: budgets of normalised images, FGSM away from the prediction,
# a PGD of three steps. The paper says none of this; see `stamp` for pixel units. Where its PGD
# starts is not known: the image is our assumption, from which three steps cannot reach the edge of
# the ball.
_CIFAR = dict(space='normalised', clip='range')
_LARGE = dict(space='normalised', clip='none')
PRESETS: dict[str, tuple[dict[str, Any], ...]] = {
    'pixel': (
        dict(attack='fgsm', eps='8/255'),
        dict(attack='pgd', eps='8/255', step='2/255', steps=10, random_start=True),
        dict(attack='autoattack', eps='8/255'),
    ),
    'pixel-imagenet': (
        dict(attack='fgsm', eps='4/255'),
        dict(attack='pgd', eps='4/255', step='1/255', steps=10, random_start=True),
        dict(attack='autoattack', eps='4/255'),
    ),
    'black-box': (dict(attack='square', eps='8/255'),),
    'sr-gkp': (
        *(dict(attack='fgsm', eps=eps, label='predicted', **_CIFAR) for eps in ('0.01', '0.1')),
        dict(attack='pgd', eps='8/255', step='2/255', steps=3, random_start=False, **_CIFAR),
    ),
    'sr-gkp-imagenet': (
        *(
            dict(attack='fgsm', eps=eps, label='predicted', **_LARGE)
            for eps in ('0.001', '0.01', '0.1')
        ),
        dict(attack='pgd', eps='4/255', step='1/255', steps=3, random_start=False, **_LARGE),
    ),
}
ASSUMED = dict.fromkeys(
    ('sr-gkp', 'sr-gkp-imagenet'),
    'The paper does not say where its PGD starts; at the image is our assumption, --random-start '
    'takes any point of the ball.',
)


def choose(
    preset: str = 'pixel',
    attacks: Sequence[str] | None = None,
    eps: Sequence[str | float] | None = None,
    **fields: Any,
) -> list[Attack]:
    """The attacks of a preset, some of them, with other budgets or fields.

    Args:
        preset: a name of `PRESETS`.
        attacks: names of `ATTACKS` among those of the preset; None takes all.
        eps: radii instead of the preset's, numbers or fractions such as '8/255'; a step keeps its
            share of the radius.
        fields: other fields of the attacks; None is as the preset has it. Attacks that have no such
            field go without.
    Raises:
        ValueError: an unknown name or value, a field that none of the attacks has, a space without
            its own radius.
    """
    entries = _among(preset, PRESETS, 'preset')
    names = list(dict.fromkeys(entry['attack'] for entry in entries))
    for name in attacks or ():
        _among(name, ATTACKS, 'attack')
        if name not in names:
            raise ValueError(
                f"preset '{preset}' has no {name}; choose among {', '.join(names)}, or take "
                'another preset.'
            )
    fields = {key: value for key, value in fields.items() if value is not None}
    entries = [entry for entry in entries if entry['attack'] in (attacks or names)]
    if eps is None and any(
        fields.get('space') not in (None, entry.get('space', 'pixel')) for entry in entries
    ):
        raise ValueError(
            f"space={fields['space']!r} gives the radii of preset '{preset}' another meaning; give "
            'eps as well, or take a preset of that space.'
        )
    for key in fields:
        if not any(key in ATTACKS[entry['attack']].__dataclass_fields__ for entry in entries):
            chosen = ' and '.join(dict.fromkeys(entry['attack'] for entry in entries))
            raise ValueError(f'{chosen} have no {key}; leave it away.')
    made = []
    for entry in entries:
        made += [_make(entry, radius, fields) for radius in eps or [None]]
    return list(dict.fromkeys(made))


def _make(entry: Mapping[str, Any], eps: str | float | None, fields: Mapping[str, Any]) -> Attack:
    kind = ATTACKS[entry['attack']]
    values = {key: value for key, value in entry.items() if key != 'attack'}
    if eps is not None:
        if 'step' in values and 'step' not in fields:
            values['step'] = number(values['step']) / number(values['eps']) * number(eps)
        values['eps'] = eps
    values |= {key: value for key, value in fields.items() if key in kind.__dataclass_fields__}
    return kind(
        **{key: number(value) if key in ('eps', 'step') else value for key, value in values.items()}
    )


def _among(name: str, known: Mapping[str, Any], what: str) -> Any:
    if name not in known:
        raise unknown(what, name, known)
    return known[name]
