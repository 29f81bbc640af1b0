"""What a run left in its folder, as fields of its record."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmrobustprune.attack import Clean
from mmrobustprune.corruption.evidence import Hits, load
from mmrobustprune.engine.attacks.evaluate import right_answers
from mmrobustprune.records.files import read_json
from mmrobustprune.records.outcomes import pack_outcomes

CLEAN_ALL = 'clean, all'
PER_RESULT = ('metric', 'suite', 'severities', 'images', 'per_corruption', 'versions')
SOMETIMES = ('family', 'subset', 'mPC_interval')
OF_STAGES = ('removed', 'chosen_at')

Attacked = Mapping[str, Sequence[Mapping[str, Any]]]  # the experiment's name of it -> its attacks


def maybe(file: Path) -> Any:
    """The content of a JSON file, None where there is none."""
    return read_json(file) if file.exists() else None


def flat_attacks(attacked: Attacked) -> dict[str, float]:
    """A column per attack (its name in the experiment, its kind, its radius) -> per cent right."""
    found = {}
    for label, every in attacked.items():
        for one in every:
            found[column_of(label, one)] = 100 * one['accuracy']
    return found


def column_of(label: str, one: Mapping[str, Any]) -> str:
    """The column of an attack."""
    return f'{label} {one["attack"]} {one["eps"]:.3g}'


def read_attacks(work_dir: Path) -> list[dict]:
    """What tools/attack.py wrote, the clean accuracy of its images in every row."""
    content = read_json(work_dir / 'attacks.json')
    return [dict(one, clean=content['clean']) for one in content['attacks']]


def evaluated(results: Mapping[str, Any]) -> dict[str, Any]:
    """What a record holds of an evaluation under corruptions."""
    keys = [*PER_RESULT, *(key for key in SOMETIMES if key in results)]
    return dict({key: results[key] for key in keys}, clean_metrics=results['clean'])


def stage_metrics(folder: Path) -> dict[str, float]:
    """What a search of masks came to: weights removed, and metrics with the mask alone."""
    last = (maybe(folder / 'stages.json') or [{}])[-1]
    found = {}
    for metric, value in (last.get('metric_after') or {}).items():
        found[f'mask {metric.rsplit("/", 1)[-1]}'] = value
    return found | {key: last[key] for key in OF_STAGES if key in last}


def flat_times(latency: Mapping[str, Any]) -> dict[str, float]:
    """Milliseconds of a pruned network and its dense one, measured and by the table."""
    return {
        'ms': latency['networks']['pruned']['median_ms'],
        'predicted ms': latency['predicted_ms']['pruned'],
        'dense ms': latency['networks']['dense']['median_ms'],
        'dense ms, predicted': latency['predicted_ms']['dense'],
        'speed-up': latency['speed_up'],
    }


def training_minutes(folder: Path) -> float | None:
    """Time of all training steps, resumed or not, without evaluations; None without any."""
    seconds = {}
    for line in _scalars(folder):
        if 'loss' in line:
            seconds[line['iter']] = line['time']
    return sum(seconds.values()) / len(seconds) * max(seconds) / 60 if seconds else None


def _scalars(folder: Path) -> list[dict]:
    found = []
    for file in sorted(folder.glob('*/vis_data/scalars.json')):
        found += map(json.loads, file.read_text().splitlines())
    return found


def outcomes(folder: Path, attacked: Attacked, masked: Attacked) -> dict[str, dict]:
    """What every image was answered, by column or cell; of classifiers alone.

    Args:
        folder: of the run.
        attacked: the attacks, their folders attacked-NAME.
        masked: the same of the mask alone, in mask-attacked-NAME.
    """
    found = {}
    results = maybe(folder / 'corrupted' / 'results.json') or {}
    images = f'{results.get("data")} {results.get("subset")}'
    for file in sorted((folder / 'corrupted' / 'cells').glob('*.npz')):
        evidence = load(file)
        if isinstance(evidence, Hits):
            found[file.stem] = pack_outcomes(evidence.correct, images)
    for of, kind in (('', attacked), ('mask', masked)):
        for label, every in kind.items():
            for one in every:
                place = '-'.join(filter(None, (of, 'attacked', label)))
                column = ' '.join(filter(None, (of, column_of(label, one))))
                found[column] = _answers(folder / place, one['key'])
    for name, column in (('clean', CLEAN_ALL), ('mask-clean', 'mask clean')):
        if (folder / name).exists():
            found[column] = _answers(folder / name, Clean().key)
    return found


def _answers(work_dir: Path, key: str) -> dict:
    places, right = right_answers(work_dir, key)
    return pack_outcomes(right, places)
