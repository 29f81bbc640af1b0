"""What the numbers of a report depend on, for its foot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmrobustprune.corruption.suites import name_of
from mmrobustprune.report.runs import Run

from .grid import said

NOT_RECORDED = 'not recorded'
SHARED = ('suite', 'metric', 'seed', 'data', 'baseline of mCE', 'versions', 'latency')


def stamps(runs: Sequence[Run]) -> dict[str, str]:
    """What the numbers depend on, name -> value.

    Suite, metric, seed, data and versions; checkpoint, commit, device and command of every run; how
    times were taken.
    """
    done = [run for run in runs if run.results]
    found = _shared(done) if done else {}
    for run in done:
        title = f'run {run.label}' if run.label in SHARED else run.label
        found[title] = ' · '.join(_run(run.results))
        if run.results.get('command'):
            found[f'{title}: command'] = run.results['command']
    devices = _devices(runs)
    for device, names in devices.items():
        which = f' ({", ".join(names)})' if len(devices) > 1 else ''
        found[f'latency{which}'] = f'median of one input, {device}'
    return found


def one_device(runs: Sequence[Run]) -> bool:
    """Whether the latencies may be compared: of one device, as far as the runs say."""
    return len(_devices(runs)) < 2


def _shared(done: Sequence[Run]) -> dict[str, str]:
    """What all evaluated runs have in common."""
    results = done[0].results
    metric = results['metric']
    if mode := _agreed(done, 'eval_mode'):
        metric += f', {mode}'
    found = {
        'suite': name_of(results),
        'metric': metric,
        'seed': (_agreed(done, 'seed') or NOT_RECORDED) + _silent(done, 'seed'),
        'data': f'{_agreed(done, "data") or NOT_RECORDED}, {results["images"]} images'
        + _silent(done, 'data'),
    }
    if baseline := _agreed(done, 'baseline'):
        found['baseline of mCE'] = baseline
    return found | _versions(done)


def _agreed(done: Sequence[Run], key: str) -> str:
    """What the runs that say anything say of it; '' where none does."""
    found = [said(run.results, key) for run in done]
    return next((str(value) for value in found if value is not None), '')


def _silent(done: Sequence[Run], key: str) -> str:
    """Whose value is not known where that of others is."""
    silent = [run.label for run in done if said(run.results, key) is None]
    return f' ({", ".join(silent)}: {NOT_RECORDED})' if 0 < len(silent) < len(done) else ''


def _devices(runs: Sequence[Run]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for run in runs:
        if device := ((run.cost or {}).get('timing') or {}).get('device'):
            found.setdefault(device, []).append(run.label)
    return found


def _versions(runs: Sequence[Run]) -> dict[str, str]:
    """One line where all runs agree, else one per run."""
    lines = {}
    for run in runs:
        versions = run.results.get('versions')
        if versions:
            lines[run.label] = ', '.join(f'{name} {which}' for name, which in versions.items())
    if len(set(lines.values())) == 1:
        return {'versions': next(iter(lines.values()))}
    return {f'{label}: versions': line for label, line in lines.items()}


def _run(results: Mapping) -> list[str]:
    pairs = (
        ('', 'checkpoint'),
        ('stored images ', 'stored'),
        ('weights ', 'weights'),
        ('config ', 'config_hash'),
        ('commit ', 'commit'),
        ('on ', 'device'),
    )
    return [f'{before}{results[key]}' for before, key in pairs if results.get(key)]
