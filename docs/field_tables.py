"""Tables of fields, from the code: of every recipe, and of what `type=` may name in a field."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

from mmrobustprune.attack.losses import LOSSES
from mmrobustprune.grouped_kernels.selection import GROUPINGS, SEARCHES
from mmrobustprune.mask_search import HOSTS
from mmrobustprune.recipes import checklist
from mmrobustprune.recipes.build import RECIPES
from mmrobustprune.recipes.gradual import Recipe
from mmrobustprune.recipes.grouped import GroupedKernelRecipe
from mmrobustprune.recipes.search import MaskSearch
from mmrobustprune.scores import SCORES
from mmrobustprune.sharpness.build import ASCENTS, RULES

_ARGUMENT = re.compile(r'^    (\w+(?:, \w+)*): (.*)$')
_SECTION = re.compile(r'^(Args|Attributes|Raises):', re.M)
_HEAD = ['| field | default | meaning |', '| --- | --- | --- |']
KINDS = {  # heading -> the base of its recipes
    'Gradual pruning': Recipe,
    'Grouped kernels': GroupedKernelRecipe,
    'Mask searches': MaskSearch,
}
CHECKLIST = ('paper', 'unit', 'procedure', 'result', 'final', 'data', 'cost')
TYPES = {  # heading -> where it is written, and what it may name
    'Scores': ("`robust_prune.score=dict(type='Magnitude', p=2)`", SCORES),
    'Sharpness rules': (
        "`rule=dict(type='SAM', rho=0.05)`, `finetune_rule=...`, and `rule` of an OptimWrapper",
        RULES,
    ),
    'Ascents': ("`ascent='momentum'` or `ascent=dict(type='look', k=5)`", ASCENTS),
    'Searches of grouped kernels': (
        "`search='beam'` or `search=dict(type='beam', width=8)`, and `pointwise`",
        SEARCHES,
    ),
    'Groupings of filters': ("`grouping='snaking'`", GROUPINGS),
    'Hosts of a mask search': ("`host=dict(type='HARP', growth=0.5)`", HOSTS),
    'Losses under attack': (
        "`model=dict(type='mmrobustprune.AdversarialClassifier', robust_loss=dict(type='TRADES'))`",
        LOSSES,
    ),
}
REGISTRIES = {  # heading -> of mmrobustprune.registry, and what it says of their place in a config
    'Runners': ('RUNNERS', '`runner_type`'),
    'Models': ('MODELS', '`model`, `model.backbone`, `model.neck`'),
    'Optimizer wrappers': ('OPTIM_WRAPPERS', '`optim_wrapper`'),
    'Hooks': ('HOOKS', '`custom_hooks`; `PruneRunner` adds those of the recipes by itself'),
    'Loops': ('LOOPS', '`val_cfg`, `train_cfg`; `PruneRunner` takes the resumable ones by itself'),
    'Data sets': ('DATASETS', '`dataset` of a loader'),
    'Samplers': ('DATA_SAMPLERS', '`batch_sampler` of a loader'),
    'Transforms': ('TRANSFORMS', '`pipeline` of a data set'),
}
OUTSIDE = {'target', 'ignore', 'snapshots'}  # fields of a recipe that it hands on to a type


def recipes() -> str:
    """All recipes at a glance, then the fields of each kind, and what every recipe has of its own.

    Raises:
        ValueError: a field that no docstring describes.
    """
    lines = [
        '# Recipes',
        '',
        "What `robust_prune = dict(recipe='NAME', target=..., ...)` may say. Each kind of recipe",
        'has a table of the fields that all its recipes share. The section of a recipe lists only',
        'what is new there or has another default. An unknown field is refused, and the nearest',
        'known one is named. What `type=` may be in a field is in [Types](types.md).',
        '',
        '## All recipes',
        '',
        'What must be known before numbers are compared (`python tools/prune.py --methods` prints',
        'the same). *unit*: what is removed; *procedure*: in how many steps; *result*: whether it',
        'is taken out of the tensors or masked with zeros; *final size*: the first epoch after',
        'which the network has it; *data*: what is needed to choose, beside the weights; *cost*:',
        'what is spent beside a plain training of the same length.',
        '',
        '| recipe | paper | unit | procedure | result | final size | data | cost |',
        '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ]
    for name, facts in checklist().items():
        cells = [f'[`{name}`](#{name.replace("_", "-")})']
        lines.append(_row(cells + [str(getattr(facts, key)) for key in CHECKLIST]))
    for heading, base in KINDS.items():
        lines += ['', f'## {heading}', '', *_about(base), '', *_HEAD, *_rows(base, _fields(base))]
        for name, cls in RECIPES.items():
            if issubclass(cls, base):
                lines += ['', f'### {name}', '', *_difference(cls, base)]
    return '\n'.join(lines) + '\n'


def types() -> str:
    """What `type=` may name in a field, with the fields of each.

    Raises:
        ValueError: a field that no docstring describes.
    """
    lines = [
        '# Types',
        '',
        'Some fields hold another choice with fields of its own: a score, a sharpness rule, an',
        'ascent. Such a field is a dict with `type`, or, where nothing is changed, the name alone.',
    ]
    for heading, (written, known) in TYPES.items():
        lines += ['', f'## {heading}', '', f'Written {written}.']
        seen: dict[type, str] = {}
        for name, one in known.items():
            lines += ['', f'### {name}', '', *_type(name, one, seen)]
    return '\n'.join(lines) + '\n'


def components() -> str:
    """`robust_eval`, and everything of ours that a config may name, for which OpenMMLab is needed.

    Inherited fields are described where they come from, in OpenMMLab's own pages.
    """
    import mmrobustprune.engine  # noqa: F401  registers what is in it
    from mmrobustprune import registry
    from mmrobustprune.engine.comparison.experiment import Arm, Budget, Experiment
    from mmrobustprune.engine.robustness.suite import RobustEval

    lines = [
        '# In a config',
        '',
        'What a config may name beside `robust_prune` ([Recipes](recipes.md)). `NAME` below is',
        "written `type='mmrobustprune.NAME'`; no `custom_imports` is needed. Fields that a class",
        'inherits from OpenMMLab are not repeated.',
        '',
        '## robust_eval',
        '',
        *of_class(RobustEval),
        '',
        '## Experiments',
        '',
        'The fields of a file of `tools/compare.py` ([](../howto/compare.md)), those of one of its',
        '`methods`, and those of its `budget`.',
    ]
    for cls in (Experiment, Arm, Budget):
        lines += ['', f'### {cls.__name__}', '', *of_class(cls)]
    for heading, (name, place) in REGISTRIES.items():
        known = getattr(registry, name)
        known.import_from_location()
        lines += ['', f'## {heading}', '', f'In {place}.']
        seen: dict[tuple[str, ...], str] = {}
        for name, one in known.module_dict.items():
            lines += ['', f'### {name}', '', *_component(name, one, seen)]
    return '\n'.join(lines) + '\n'


def of_class(cls: type, **defaults: Any) -> list[str]:
    """What a class says of itself, and the table of its fields."""
    rows = _rows(cls, _parameters(cls, defaults))
    return [*_about(cls), *(['', *_HEAD, *rows] if rows else [])]


def _component(name: str, one: Any, seen: dict[tuple[str, ...], str]) -> Iterator[str]:
    """A registered class or function, with those of its fields that its docstring describes."""
    yield from _about(one)
    said = _arguments(one)
    rows = tuple(_rows(one, [pair for pair in _parameters(one, {}) if pair[0] in said]))
    first = seen.setdefault(rows, name)
    if rows and first != name:
        yield from ('', f'Fields as of `{first}`.')
    elif rows:
        yield from ('', *_HEAD, *rows)


def _type(name: str, one: Any, seen: dict[type, str]) -> Iterator[str]:
    """The section of a class, or of an instance of one that has fields set already."""
    cls = one if isinstance(one, type) else type(one)
    given = {} if cls is one else {each.name: getattr(one, each.name) for each in fields(cls)}
    if cls in seen:
        usual = {each.name: each.default for each in fields(cls)}
        changed = [f'`{key}={value!r}`' for key, value in given.items() if value != usual[key]]
        yield f'As `{seen[cls]}`, with {", ".join(changed) or "its own defaults"}.'
        return
    seen[cls] = name
    yield from of_class(cls, **given)


def _difference(cls: type, base: type) -> list[str]:
    """What a recipe says of itself, and its fields that its kind does not have so."""
    shared = set(_rows(base, _fields(base)))
    rows = [row for row in _rows(cls, _fields(cls)) if row not in shared]
    fixed = [one.name for one in fields(cls) if not one.init]
    lines = _about(cls) if cls is not base else ['The fields as above.']
    if rows:
        lines += ['', *_HEAD, *rows]
    if fixed:
        names = ', '.join(f'`{name}`' for name in fixed)
        lines += ['', f'The method leaves no choice of, and a config may not set: {names}.']
    return lines


def _about(cls: type) -> list[str]:
    """The docstring up to its fields, formulas as they are."""
    text = inspect.cleandoc(cls.__doc__ or '')
    found = _SECTION.search(text)
    return [_escaped(line) for line in text[: found and found.start()].strip().splitlines()]


def _fields(cls: type) -> list[tuple[str, str]]:
    return [(one.name, _default(one)) for one in fields(cls) if one.init]


def _parameters(cls: type, given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and default of what a class is built with; what a recipe hands on is left out."""
    found = []
    for name, one in inspect.signature(cls).parameters.items():
        variable = one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        if name in OUTSIDE or name.startswith('_') or variable:
            continue
        value = given.get(name, one.default)
        found.append((name, 'needed' if value is one.empty else _shown(value)))
    return found


def _rows(cls: type, known: Iterable[tuple[str, str]]) -> list[str]:
    said = _arguments(cls)
    rows = []
    for name, default in known:
        if name not in said:
            raise ValueError(f'{cls.__name__}.{name} is not described; add it to its docstring.')
        rows.append(_row((f'`{name}`', default, _escaped(said[name]))))
    return rows


def _arguments(cls: type) -> dict[str, str]:
    """Field -> its description, those of base classes included."""
    found: dict[str, str] = {}
    for base in reversed(getattr(cls, '__mro__', (cls,))):  # a function has none
        names: list[str] = []
        for line in inspect.cleandoc(base.__doc__ or '').splitlines():
            start = _ARGUMENT.match(line)
            if start:
                names = start[1].split(', ')
                found |= dict.fromkeys(names, start[2])
            elif names and line.startswith(' ' * 8):
                found |= {name: f'{found[name]} {line.strip()}' for name in names}
            else:
                names = []
    return found


def _default(one: Field) -> str:
    if one.default is not MISSING:
        return _shown(one.default)
    return 'needed' if one.default_factory is MISSING else _shown(one.default_factory())


def _shown(value: Any) -> str:
    if isinstance(value, Mapping) and 'type' not in value:
        value = dict(value)
    return _escaped(f'`{value:.4g}`' if isinstance(value, float) else f'`{value!r}`')


def _escaped(text: str) -> str:
    return text.replace('|', '\\|')


def _row(cells: Iterable[str]) -> str:
    return f'| {" | ".join(cells)} |'
