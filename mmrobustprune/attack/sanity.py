"""Signs that robust accuracies are not what they seem: hidden gradients, misread budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

_NOT_COMPARED = {
    'accuracy',
    'breakdown',
    'notes',
    'seconds',
    'images',
    'reach',
    'eps_pixel',
    'reach_pixel',
}
_MONOTONE = ('eps', 'steps')  # more of it never helps the model
_STRENGTH = dict(fgsm=0, pgd=1, autoattack=2)  # at one radius
_SQUARE = 0.002


def doubts(results: Sequence[Mapping[str, Any]], clean: float) -> list[str]:
    """One sentence for each thing that should not be so; all accuracies of the same images.

    Args:
        results: each with `attack`, its settings and `accuracy`, AutoAttack with its `breakdown`.
        clean: accuracy without attack.
    """
    found = []
    for one in results:
        if one['accuracy'] > clean:
            found.append(
                f'{_name(one)} leaves more right ({one["accuracy"]:.2%}) than no attack does '
                f'({clean:.2%}){_why(one)}.'
            )
    for one, other in combinations(results, 2):
        for key in _MONOTONE:
            found += _growth(one, other, key)
        found += _rank(one, other)
    for one in results:
        steps = list((one.get('breakdown') or {}).values())
        if len(steps) > 1 and 'square' in one['breakdown'] and steps[-2] - steps[-1] > _SQUARE:
            found.append(
                f'{_name(one)}: Square, which sees no gradient, still broke '
                f'{steps[-2] - steps[-1]:.2%} of the images; the gradients may be masked.'
            )
    return found


def _rank(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """A stronger attack of the same radius that leaves more right than a weaker one."""
    if any(result['attack'] not in _STRENGTH for result in (one, other)):
        return []
    if any(one.get(key) != other.get(key) for key in ('eps', 'space', 'clip')):
        return []
    weak, strong = sorted((one, other), key=lambda result: _STRENGTH[result['attack']])
    same = weak['attack'] == strong['attack']
    if same or strong['accuracy'] <= weak['accuracy']:
        return []
    why = _why(strong)
    if strong.get('reach', strong['eps']) < strong['eps']:
        why = f'; its steps reach no farther than {strong["reach"]:.4g}'
    return [
        f'{_name(strong)} leaves more right ({strong["accuracy"]:.2%}) than {weak["attack"]} of '
        f'the same radius ({weak["accuracy"]:.2%}){why}.'
    ]


def _growth(one: Mapping[str, Any], other: Mapping[str, Any], key: str) -> list[str]:
    free = {key, 'step'} if key == 'eps' else {key}  # a step goes with its radius
    same = {*one, *other} - _NOT_COMPARED - free
    if (
        one.get(key) == other.get(key)
        or any(one.get(k) != other.get(k) for k in same)
        or key not in one
        or key not in other
    ):
        return []
    less, more = sorted((one, other), key=lambda result: result[key])
    if more['accuracy'] <= less['accuracy']:
        return []
    return [
        f'{_name(more)} with {key}={more[key]:.4g} leaves more right ({more["accuracy"]:.2%}) than '
        f'with {less[key]:.4g} ({less["accuracy"]:.2%}){_why(more)}.'
    ]


def _why(result: Mapping[str, Any]) -> str:
    if result.get('label') == 'predicted':
        return ', which moving away from the predicted label can cause'
    return '; the step is too coarse or the gradients are masked'


def _name(result: Mapping[str, Any]) -> str:
    return f'{result["attack"]} ({result["space"]})'
