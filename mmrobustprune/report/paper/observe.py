"""One run as a table sees it: what identifies it, and every number that was recorded of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from mmrobustprune.report.runs import REPEAT, split_name

from .facts import facts_of, read_settings
from .numbers import READERS, Number, by_corruption, numbers_of, unfinished

TRAINED = re.compile(r'tools/train\.py \S*?([^/\s]+)\.py')
# numbers of a record that it holds as they are
PLAIN = ('epochs', 'minutes', 'mask top1', 'mask pgd', 'speed-up')
WRITTEN = ('pruned', 'model')  # configs that a pruning or an export writes beside the run's own


@dataclass(frozen=True)
class Observation:
    """A run and its numbers by key.

    Attributes:
        facts: as `facts.facts_of`, and name, seed and method: the recipe, else the name given to
            the run, else 'dense'.
        numbers: key -> number.
        corruptions: suite -> corruption -> mean over its severities, in per cent.
        lacks: what evaluations under corruption did not finish.
    """

    label: str
    facts: Mapping[str, Any]
    numbers: Mapping[str, Number] = field(default_factory=dict)
    corruptions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()


def observe(words: Iterable[str | Path]) -> list[Observation]:
    """Every run of the command line, each alone or as NAME=PATH.

    Args:
        words: work dirs, records (JSON) and folders of records.

    Raises:
        FileNotFoundError, ValueError: nothing there, nothing of a run in it, the same run twice.
    """
    found = []
    for word in map(str, words):
        name, path = split_name(word)
        records = sorted(path.glob('*-seed*.json')) if path.is_dir() else [path]
        found += [from_record(file, name) for file in records] or [from_folder(path, name)]
    labels = [one.label for one in found]
    if twice := [label for label in labels if labels.count(label) > 1]:
        raise ValueError(f'{twice[0]} is given twice; give every run once.')
    return found


def from_folder(folder: Path, name: str = '') -> Observation:
    """A work dir: its config, and the files of numbers there or one folder down.

    Those in folders mask* are of the mask alone.

    Raises:
        FileNotFoundError: no file of numbers.
        ValueError: several configs of a training, or numbers that do not agree.
    """
    label = str(folder)
    files = []
    for kind in READERS:
        for file in sorted({*folder.glob(f'{kind}.json'), *folder.glob(f'*/{kind}.json')}):
            of_mask = file.parent != folder and file.parent.name.startswith('mask')
            files.append(('mask ' if of_mask else '', kind, _read(file)))
    if not files:
        raise FileNotFoundError(
            f'{folder} holds none of {", ".join(f"{kind}.json" for kind in READERS)}; give the '
            'work dir of a run that was evaluated, a record, or a folder of records.'
        )
    facts = facts_in(folder)
    if not facts['config']:
        facts |= facts_of(_evaluated(files), {})
    return _observation(
        label,
        name,
        REPEAT.sub('', folder.resolve().name),
        facts.pop('seed'),
        facts,
        numbers_of(files, label) | _hours(folder, files) | _epochs(folder),
        files,
    )


def facts_in(folder: Path) -> dict[str, Any]:
    """`facts.facts_of` of the config that a training left in its work dir, and the seed.

    Without a config its name is ''.

    Raises:
        ValueError: several configs.
    """
    name, settings = _config_in(folder)
    seed = (settings.get('randomness') or {}).get('seed')
    if repeat := REPEAT.search(folder.resolve().name):
        seed = int(repeat[0].removeprefix('-seed'))
    return facts_of(name, settings) | dict(seed=seed)


def _config_in(folder: Path) -> tuple[str, dict[str, Any]]:
    """Name and settings of the config that a training left; '' and {} without one."""
    configs = [file for file in sorted(folder.glob('*.py')) if file.stem not in WRITTEN]
    if len(configs) > 1:
        raise ValueError(
            f'{folder} holds {len(configs)} configs ({", ".join(file.name for file in configs)}), '
            'so it is not known which the run is of; leave one.'
        )
    return (configs[0].stem, read_settings(configs[0])) if configs else ('', {})


def _epochs(folder: Path) -> dict[str, Number]:
    """How long the training was."""
    train = _config_in(folder)[1].get('train_cfg') or {}
    return {'epochs': Number(train['max_epochs'])} if train.get('max_epochs') else {}


def from_record(file: Path, name: str = '') -> Observation:
    """A record of tools/compare.py.

    That is its numbers, its files, and the config of its training command.

    Raises:
        FileNotFoundError, ValueError: not there, or no record.
    """
    record = _read(file)
    if not isinstance(record, dict) or 'name' not in record:
        raise ValueError(
            f"{file} is no record of a run (it has no 'name'); give one that "
            'tools/compare.py wrote, or a work dir.'
        )
    files: list[tuple[str, str, Any]] = [('', 'cost', record)]
    if 'suite' in record:
        files.append(('', 'results', dict(record, P=record['clean'])))
    files += [
        ('', 'attacks', dict(attacks=attacks)) for attacks in (record.get('attacks') or {}).values()
    ]
    files += [('', kind, record[kind]) for kind in ('rounds', 'search') if record.get(kind)]
    numbers = numbers_of(files, str(file))
    numbers |= {key: Number(record[key]) for key in PLAIN if record.get(key) is not None}
    trained = TRAINED.findall('\n'.join(record.get('commands', ())))
    facts = facts_of(trained[-1] if trained else '', {})
    if 'facts' in record:
        facts |= {key: value for key, value in (record['facts'] or {}).items() if value != ''}
    else:  # a name, and not which recipe
        facts = {key: facts[key] for key in ('config', 'net', 'data')}
        name = name or record['name']
    seed = record.get('seed')
    return _observation(str(file), name, record['name'], seed, facts, numbers, files)


def _observation(
    label: str,
    given: str,
    own: str,
    seed: int | None,
    facts: Mapping[str, Any],
    numbers: Mapping[str, Number],
    files: Sequence[tuple[str, str, Any]],
) -> Observation:
    method = facts.get('recipe') or given or 'dense'
    facts = dict(facts, name=given or own, method=method, seed=seed)
    return Observation(label, facts, dict(numbers), by_corruption(files), unfinished(files))


def _evaluated(files: Iterable[tuple[str, str, Any]]) -> str:
    """The config that an evaluation says it was of; '' where none does."""
    names = [
        Path(content['config']).stem
        for _, kind, content in files
        if kind in ('results', 'latency') and content.get('config')
    ]
    return names[0] if names else ''


def _hours(folder: Path, files: Iterable[tuple[str, str, Any]]) -> dict[str, Number]:
    """Hours of the training steps of a search, resumed or not, without evaluations."""
    stages = {}
    for _, kind, content in files:
        if kind == 'stages':
            stages |= {one['stage']: one['iteration'] for one in content}
    if 'finetune' not in stages:
        return {}
    begin = stages.get('search', 0)
    end = stages['finetune']
    seconds = {}
    for log in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in map(json.loads, log.read_text().splitlines()):
            if 'loss' in line and begin < line['iter'] <= end:
                seconds[line['iter']] = line['time']
    if not seconds:
        return {}
    return {'search hours': Number(fmean(seconds.values()) * (end - begin) / 3600)}


def _read(file: Path) -> Any:
    if not file.exists():
        raise FileNotFoundError(
            f'{file} is not there; give work dirs, records, or folders of records.'
        )
    try:
        return json.loads(file.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(
            f'{file} is not JSON ({error}); give work dirs, records, or folders of records.'
        ) from None
