"""What the numbers of a report depend on, for its foot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmrobustprune.report.runs import Run

from .grid import said


def stamps(runs: Sequence[Run]) -> dict[str, str]:
    """Suite, metric, seed, data and versions; checkpoint, commit, device and command of every run; how times were taken."""
    found: dict[str, str] = {}
    done = [run for run in runs if run.results]
    if done:
        results = done[0].results
        found |= {
            'suite': results['suite'],
            'metric': results['metric']
            + (f', {results["eval_mode"]}' if results.get('eval_mode') else ''),
            'seed': _text(said(results, 'seed')),
            'data': f'{_text(results.get("data"))}, {results["images"]} images',
        }
        silent = [run.label for run in done if run.results.get('data') is None]
        if silent and len(silent) < len(done):
            found['data'] = (
                f'{next(run.results["data"] for run in done if run.results.get("data") is not None)}, '
                f'{results["images"]} images ({", ".join(silent)}: not recorded)'
            )
        if results.get('baseline'):
            found['baseline of mCE'] = results['baseline']
        found |= _versions(done)
    for run in done:
        found[run.label] = ' · '.join(_run(run.results))
        if run.results.get('command'):
            found[f'{run.label}: command'] = run.results['command']
    for device, names in _devices(runs).items():
        found[f'latency ({", ".join(names)})' if len(_devices(runs)) > 1 else 'latency'] = (
            f'median of one input, {device}'
        )
    return found


def one_device(runs: Sequence[Run]) -> bool:
    """Whether the latencies may be compared: all were taken on the same device, as far as the runs say."""
    return len(_devices(runs)) < 2


def _devices(runs: Sequence[Run]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for run in runs:
        if device := ((run.cost or {}).get('timing') or {}).get('device'):
            found.setdefault(device, []).append(run.label)
    return found


def _versions(runs: Sequence[Run]) -> dict[str, str]:
    """One line where all runs agree, else one per run."""
    lines = {
        run.label: ', '.join(
            f'{name} {version}' for name, version in (run.results.get('versions') or {}).items()
        )
        for run in runs
    }
    lines = {label: line for label, line in lines.items() if line}
    if len(set(lines.values())) == 1:
        return {'versions': next(iter(lines.values()))}
    return {f'{label}: versions': line for label, line in lines.items()}


def _run(results: Mapping) -> list[str]:
    pairs = (
        ('', 'checkpoint'),
        ('stored pictures ', 'stored'),
        ('weights ', 'weights'),
        ('config ', 'config_hash'),
        ('commit ', 'commit'),
        ('on ', 'device'),
    )
    return [f'{before}{results[key]}' for before, key in pairs if results.get(key)]


def _text(value: object) -> str:
    return 'not recorded' if value is None else str(value)
