"""What a run is, read from the config in its work dir: network, data, recipe and its fields."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from mmrobustprune.recipes import RECIPES
from mmrobustprune.recipes.gradual import Recipe
from mmrobustprune.recipes.grouped import GroupedKernelRecipe
from mmrobustprune.recipes.search import MaskSearch
from mmrobustprune.recipes.spelled import defaults, spelled_out
from mmrobustprune.report.runs import REPEAT

from .grouped import grouped_facts

SGD = 'SGD'
PREFIX = 'robust_prune.'
# of a config: how a network was trained, which records of earlier versions do not say
TRAINING = (
    'model.robust_loss',
    'optim_wrapper',
    'param_scheduler',
    'train_cfg.max_epochs',
    'train_cfg.max_iters',
    'train_dataloader.batch_size',
)


def read_settings(file: str | Path) -> dict[str, Any]:
    """The plain values of a config as mmengine writes it, `name = value`; nothing of it is run.

    Raises:
        ValueError: the file is no Python.
    """
    try:
        lines = ast.parse(Path(file).read_text(encoding='utf-8')).body
    except SyntaxError as error:
        raise ValueError(
            f'{file} is no config ({error.msg}, line {error.lineno}); '
            'give the work dir of a training run.'
        ) from None
    return {
        line.targets[0].id: _plain(line.value)
        for line in lines
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name)
    }


def facts_of(config: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What identifies a run, from the name and the content of its config.

    Returns:
        config: the name; net, data: its first and last part. recipe: '' for a dense network.
        attack: type of the robust loss, '' for none. start: folder and file of the weights it
        began with, '' for none; the seed in a folder's name is left out. With a recipe: target, and
        every field under its own name ('robust_prune.rule.rho_max'); of AdaSAP's kind
        budget, score, rule and finetune ('AdaSAP + ASAM' is scaled by the weights, 'AdaSAP' not),
        warmup (epochs) and, of a latency, solver; of S2AP's kind host, form, search ('Orig.',
        'S2AP' or 'AWP'), gamma, awp (whether kept weights are perturbed while fine-tuning) and
        warmup (False where there is none); of SR-GKP's kind those of `grouped.grouped_facts`. What
        TRAINING names is there by its place in the config ('optim_wrapper.optimizer.lr').
    """
    net, _, rest = config.partition('_')
    loss = (settings.get('model') or {}).get('robust_loss') or {}
    found = dict(
        config=config,
        net=net,
        data=rest.rpartition('_')[2],
        recipe='',
        attack=loss.get('type', ''),
        start=_start(settings.get('load_from')),
        **training_of(settings),
    )
    given = dict(settings.get('robust_prune') or {})
    recipe = given.get('recipe', '')
    if not given:
        return found
    found.update(recipe=recipe, target=given.get('target'))
    kind = RECIPES.get(recipe)
    chosen = defaults(kind) | given
    for field, value in spelled_out(given).items():
        found[PREFIX + field] = value
    if kind and issubclass(kind, MaskSearch):
        return found | _search(chosen)
    if kind and issubclass(kind, Recipe):
        return found | _gradual(chosen, (settings.get('train_cfg') or {}).get('max_epochs'))
    if kind and issubclass(kind, GroupedKernelRecipe):
        return found | grouped_facts(chosen)
    return found


def training_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a config that TRAINING names, those inside as 'train_cfg.max_epochs'."""
    found: dict[str, Any] = {}
    for path in TRAINING:
        part: Any = settings
        for key in path.split('.'):
            part = (part or {}).get(key)
        found.update(_inside(path, part))
    return found


def _inside(path: str, part: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(part, Mapping):
        pairs: Iterable[tuple[Any, Any]] = part.items()
    elif isinstance(part, (list, tuple)) and any(isinstance(one, Mapping) for one in part):
        pairs = enumerate(part)
    else:
        yield from [(path, part)] if part is not None else []
        return
    for key, inner in pairs:
        yield from _inside(f'{path}.{key}', inner)


def unlike(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What keeps two runs from being repeats: names of facts that differ, but for the seed.

    How a network was trained counts where both say it.
    """
    names = {*one, *other} - {'seed', 'name'}
    told = [name for name in names if name.startswith(TRAINING)]
    if one.keys().isdisjoint(told) or other.keys().isdisjoint(told):
        names.difference_update(told)
    return sorted(name for name in names if one.get(name) != other.get(name))


def fits(facts: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Whether a run is what a cell asks for.

    Text fits by pattern (`*`), numbers to within 0.005, a tuple means any of it.
    """
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


def _search(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a search for a mask, from its recipe's fields."""
    host = chosen['host']
    gamma = chosen['gamma']
    perturb = chosen['perturb'] if gamma else 'none'
    awp = chosen['finetune_gamma']
    warmup = chosen['warmup']
    return dict(
        host=host['type'],
        form=host.get('form', 'weight'),
        gamma=gamma,
        perturb=perturb,
        search={'none': 'Orig.', 'scores': 'S2AP', 'weights': 'AWP'}[perturb],
        awp=perturb != 'none' if awp is None else bool(awp),
        warmup=bool(warmup) and not str(warmup).startswith('0 '),
    )


def _gradual(chosen: Mapping[str, Any], epochs: int | None) -> dict[str, Any]:
    """The facts of a gradual recipe, from its fields and the length of the schedule."""
    found = dict(
        budget=chosen['budget'],
        score=chosen['score']['type'],
        rule=_rule(chosen['rule']),
        finetune=_rule(chosen['finetune_rule']),
        warmup=_epochs(chosen.get('warmup', 0), epochs),  # fixed at none in some recipes
    )
    if 'solver' in chosen:
        found['solver'] = chosen['solver']
    return found


def _rule(rule: Mapping[str, Any] | None) -> str:
    if rule is None:
        return SGD
    scaled = rule['type'] == 'AdaSAP' and rule.get('adaptive', True)
    return 'AdaSAP + ASAM' if scaled else rule['type']


def _start(weights: str | None) -> str:
    """Folder and file of a checkpoint, of whichever seed."""
    if not weights:
        return ''
    file = PurePosixPath(weights)
    return str(PurePosixPath(REPEAT.sub('', file.parent.name), file.name))


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
