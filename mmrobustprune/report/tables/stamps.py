"""What the numbers of a report depend on, for its foot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmrobustprune.report.runs import Run

from .grid import said


def stamps(runs: Sequence[Run]) -> dict[str, str]:
    """What the numbers depend on, name -> value.

    Suite, metric, seed, data and versions; checkpoint, commit, device and command of every run; how
    times were taken.
    """
    done = [run for run in runs if run.results]
    found = _shared(done) if done else {}
    for run in done:
        found[run.label] = ' · '.join(_run(run.results))
        if run.results.get('command'):
            found[f'{run.label}: command'] = run.results['command']
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
    mode = f', {results["eval_mode"]}' if results.get('eval_mode') else ''
    silent = [run.label for run in done if run.results.get('data') is None]
    known = [run.results['data'] for run in done if run.results.get('data') is not None]
    data = f'{_text(known[0] if known else None)}, {results["images"]} images'
    if silent and known:
        data += f' ({", ".join(silent)}: not recorded)'
    found = {
        'suite': results['suite'],
        'metric': results['metric'] + mode,
        'seed': _text(said(results, 'seed')),
        'data': data,
    }
    if results.get('baseline'):
        found['baseline of mCE'] = results['baseline']
    return found | _versions(done)


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


def _text(value: object) -> str:
    return 'not recorded' if value is None else str(value)
