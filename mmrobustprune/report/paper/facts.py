"""What a run is, read from the config that a training leaves in its work dir: network, data, recipe and the recipe's fields."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

SGD = 'SGD'
_GRADUAL = dict(budget='params', score='Magnitude', rule=SGD, finetune=SGD)
_ADASAP = dict(rule='AdaSAP + ASAM', finetune='ASAM')
_SEARCH = dict(form='weight', gamma=1e-3, perturb='scores')
RECIPES = {  # recipe -> what holds where the config is silent
    'adasap': _GRADUAL | _ADASAP,
    'adasap_latency': _GRADUAL
    | _ADASAP
    | dict(budget='latency', score='HALPTaylor', solver='exact'),
    'magnitude': _GRADUAL,
    'taylor': _GRADUAL | dict(score='Taylor'),
    's2ap_hydra': _SEARCH | dict(host='HYDRA'),
    's2ap_harp': _SEARCH | dict(host='HARP'),
    's2ap_rlth': _SEARCH | dict(host='RLTH'),
}
WARMUP = 1 / 9  # of the schedule, where a gradual recipe is silent
SEARCH_WARMUP = 0.25  # of a search


def read_settings(file: str | Path) -> dict[str, Any]:
    """The plain values of a config as mmengine writes it: one `name = value` after the other; nothing of it is run.

    Raises:
        ValueError: the file is no Python.
    """
    try:
        lines = ast.parse(Path(file).read_text(encoding='utf-8')).body
    except SyntaxError as error:
        raise ValueError(
            f'{file} is no config ({error.msg}, line {error.lineno}); give the work dir of a training run.'
        ) from None
    return {
        line.targets[0].id: _plain(line.value)
        for line in lines
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name)
    }


def facts_of(config: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What identifies a run, from the name and the content of its config.

    Returns:
        config: the name; net, data: its first and last part. recipe: '' for a dense network. attack: type of the robust loss,
        '' for none. With a recipe: target; of AdaSAP's kind budget, score, rule and finetune ('AdaSAP + ASAM' is scaled by the
        weights, 'AdaSAP' not), warmup (epochs) and, of a latency, solver; of S2AP's kind host, form, search ('Orig.', 'S2AP' or
        'AWP'), gamma, awp (whether kept weights are perturbed while fine-tuning) and warmup (False where there is none).
    """
    net, _, rest = config.partition('_')
    loss = (settings.get('model') or {}).get('robust_loss') or {}
    found = dict(
        config=config, net=net, data=rest.rpartition('_')[2], recipe='', attack=loss.get('type', '')
    )
    given = dict(settings.get('robust_prune') or {})
    recipe = given.get('recipe', '')
    if not given:
        return found
    found.update(RECIPES.get(recipe, {}), recipe=recipe, target=given.get('target'))
    if 'host' in found:
        return found | _search(found, given)
    if 'rule' in found:
        return found | _gradual(found, given, settings)
    return found


def fits(facts: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Whether a run is what a cell asks for: text by pattern (`*`), numbers to within 0.005, a tuple means any of it."""
    return all(name in facts and _agrees(facts[name], wanted) for name, wanted in where.items())


def _agrees(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, tuple):
        return any(_agrees(value, one) for one in wanted)
    if isinstance(wanted, str):
        return isinstance(value, str) and fnmatchcase(value, wanted)
    if (
        isinstance(wanted, bool)
        or isinstance(value, bool)
        or value is None
        or isinstance(value, str)
    ):
        return value is wanted
    return math.isclose(value, wanted, abs_tol=0.005 + 1e-9)


def _search(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    host = given.get('host') or {}
    gamma = given.get('gamma', base['gamma'])
    perturb = given.get('perturb', base['perturb']) if gamma else 'none'
    awp = given.get('finetune_gamma')
    awp = perturb != 'none' if awp is None else bool(awp)
    return dict(
        host=host.get('type', base['host']),
        form=host.get('form', base['form']),
        gamma=gamma,
        perturb=perturb,
        search={'none': 'Orig.', 'scores': 'S2AP', 'weights': 'AWP'}[perturb],
        awp=awp,
        warmup=bool(given.get('warmup', SEARCH_WARMUP))
        and not str(given.get('warmup')).startswith('0 '),
    )


def _gradual(
    base: Mapping[str, Any], given: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    epochs = (settings.get('train_cfg') or {}).get('max_epochs')
    return dict(
        budget=given.get('budget', base['budget']),
        score=(given.get('score') or {}).get('type', base['score']),
        rule=_rule(given['rule']) if 'rule' in given else base['rule'],
        finetune=_rule(given['finetune_rule']) if 'finetune_rule' in given else base['finetune'],
        warmup=_epochs(given.get('warmup', WARMUP), epochs),
        **({'solver': given.get('solver', base['solver'])} if 'solver' in base else {}),
    )


def _rule(rule: Mapping[str, Any] | None) -> str:
    if rule is None:
        return SGD
    scaled = rule['type'] == 'AdaSAP' and rule.get('adaptive', True)
    return 'AdaSAP + ASAM' if scaled else rule['type']


def _epochs(length: float | str, whole: int | None) -> float | str | None:
    if isinstance(length, str):
        number = re.fullmatch(r'(\d+) epochs?', length)
        return float(number[1]) if number else length
    return length * whole if whole else None


def _plain(node: ast.expr) -> Any:
    """A literal, with dict(...) calls; None for anything else."""
    if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'dict':
        return {word.arg: _plain(word.value) for word in node.keywords if word.arg}
    if isinstance(node, ast.Dict):
        return {
            _plain(key): _plain(value)
            for key, value in zip(node.keys, node.values, strict=True)
            if key is not None
        }
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_plain(one) for one in node.elts]
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None
