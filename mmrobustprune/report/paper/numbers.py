"""The numbers in the files of a run: each under a key, in per cent, with what it depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from mmrobustprune.corruption.baselines import BEST
from mmrobustprune.corruption.metrics import conditions
from mmrobustprune.corruption.suites import SEVERITIES, name_of, suite_of

USUAL = dict(version='standard', label='true', clip='image')  # of an attack; what differs is said
AGREE = 0.05  # points by which two evaluations of one network may differ


@dataclass(frozen=True)
class Number:
    """A number, and what it depends on beside network and data.

    Attributes:
        value: in per cent (or ms, hours, a count).
        under: None is nothing, true by definition.
    """

    value: float
    under: str | None = ''


Pairs = Iterable[tuple[str, Number]]


def corrupted(results: Mapping[str, Any]) -> Pairs:
    """results.json: clean, mPC, rPC, SUITE, SUITE@3 and 'R SUITE'.

    SUITE is the mean over all cells, SUITE@3 that at severity 3, and 'R SUITE' is SUITE / clean.
    Where only a part of the suite's types was run, that is said: '15 of 19 corruptions'.
    """
    unit = _unit(results['metric'])
    suite = name_of(results)
    clean = results['P']
    levels = results['severities']
    yield 'clean', Number(unit * clean)
    kinds = results['per_corruption']
    under = conditions(results, len(kinds), levels)
    if None not in kinds.values():
        mean = fmean(kinds.values())
        yield suite, Number(unit * mean, under)
        if clean:
            yield f'R {suite}', Number(mean / clean, under)
    for key, scale in (('mPC', unit), ('rPC', 1)):
        if results.get(key) is not None:
            basis = sum(kind in suite_of(results).corruptions for kind in kinds)
            yield key, Number(scale * results[key], conditions(results, basis, levels))
    for level in SEVERITIES:
        values = [
            one.get(results['metric'])
            for one in results.get('cells', ())
            if one['severity'] == level
        ]
        values = list(kinds.values()) if levels == [level] and not values else values
        if values and None not in values:
            under = conditions(results, len(values), [level])
            yield f'{suite}@{level}', Number(unit * fmean(values), under)


def shifted(found: Mapping[str, Any]) -> Pairs:
    """imagenet_v2.json: clean, 'v2 VARIANT', and 'R v2 VARIANT', the ratio to clean."""
    unit = _unit(found['metric'])
    yield 'clean', Number(unit * found['clean'])
    for name, value in found['variants'].items():
        yield f'v2 {name}', Number(unit * value, f'ImageNet-V2 {name}')
        if found['R_V2'][name] is not None:
            yield f'R v2 {name}', Number(found['R_V2'][name], f'ImageNet-V2 {name}')


def attacked(found: Mapping[str, Any]) -> Pairs:
    """attacks.json: 'autoattack@8/255' and the like, and 'macs RULE' of the network.

    'fgsm@0.1 normalised' is in the units of normalised pixels.
    """
    yield from counted(found.get('cost') or {})
    for one in found['attacks']:
        radius = f'{one["eps"]:.3g} {one["space"]}'
        if one['space'] == 'pixel':
            radius = f'{255 * one["eps"]:.3g}/255'
        under = [f'{one["attack"]}, radius {radius}']
        if 'steps' in one:
            under.append(f'{one["steps"]} steps')
        for key, usual in USUAL.items():
            if one.get(key, usual) != usual:
                under.append(f'{key} {one[key]}')
        if part := _part(one.get('subset')):
            under.append(part)
        yield f'{one["attack"]}@{radius}', Number(100 * one['accuracy'], ', '.join(under))


def clean_of_attacks(found: Mapping[str, Any]) -> Pairs:
    """attacks.json: accuracy without attack, on the images that were attacked."""
    if found.get('clean') is not None:
        part = _part(found['attacks'][0].get('subset')) if found['attacks'] else ''
        yield 'clean', Number(100 * found['clean'], part)


def _part(subset: Mapping[str, Any] | None) -> str:
    """Which part of the images was attacked; '' for all."""
    if not subset or subset.get('pick', 'all') == 'all':
        return ''
    return f'{subset["size"]} of {subset["of"]} images'


def cost(found: Mapping[str, Any]) -> Pairs:
    """cost.json: params, macs, latency in ms; 'macs RULE' of a pruned network."""
    rules = found.get('rules') or {}
    yield from counted({rule: sides['pruned'] for rule, sides in rules.items()})
    device = (found.get('timing') or {}).get('device', '')
    for key in ('params', 'macs', 'latency'):
        if found.get(key) is not None:
            yield key, Number(found[key], device if key == 'latency' else '')


def counted(rules: Mapping[str, Mapping[str, int]]) -> Pairs:
    """'params RULE' and 'macs RULE', counted as a rule of `cost.RULES` says."""
    for rule, sizes in rules.items():
        for key, value in sizes.items():
            yield f'{key} {rule}', Number(value)


def decided(found: Sequence[Mapping[str, Any]]) -> Pairs:
    """decisions.json of a removal of grouped kernels: seconds of the grouping and in all."""
    for key in ('grouping', 'seconds'):
        if found and key in found[0]:
            yield f'{key} in all', Number(sum(one[key] for one in found))


def filtered(found: Mapping[str, Any]) -> Pairs:
    """frequency.json: 'high@0.5' and 'low@0.5', the frequencies that are left of the images."""
    for one in found['bands']:
        under = [f'{one["shape"]}, theta of the {one["normaliser"]}, {one["space"]} images']
        under += filter(None, [_part(one.get('subset'))])
        number = Number(100 * one['accuracy'], ', '.join(under))
        yield f'{one["part"]}@{one["theta"]:g}', number


def timed(found: Mapping[str, Any]) -> Pairs:
    """latency.json of a pruned network: 'speed-up' and 'macs ratio', both dense / pruned."""
    threads = f'{found["threads"]} threads'
    under = f'{found["device"]}, {threads}, {found["precision"]}, batch {found["batch"]}'
    for key, name in (('speed_up', 'speed-up'), ('macs_ratio', 'macs ratio')):
        if key in found:
            yield name, Number(found[key], under if name == 'speed-up' else '')


def cut(rounds: Sequence[Mapping[str, Any]]) -> Pairs:
    """rounds.json: size, and loss and accuracy before the first round and after the last.

    Size is the share of the parameters kept. 'loss before' is of a training batch, 'val loss
    before' of the validation set, where the recipe asked for it. 'metric recalibrated' is the
    accuracy once the statistics were computed anew.
    """
    if not rounds:
        return
    first = rounds[0]
    last = rounds[-1]
    if 'params' in last.get('removed', {}):
        yield 'size', Number(1 - last['removed']['params'])
    for side, one in (('before', first), ('after', last), ('recalibrated', last)):
        if one.get(f'loss_{side}') is not None:
            yield f'loss {side}', Number(one[f'loss_{side}'])
        metrics = dict(one.get(f'metric_{side}') or {})
        if 'loss' in metrics:
            yield f'val loss {side}', Number(metrics.pop('loss'))
        for name, value in list(metrics.items())[:1]:
            yield f'metric {side}', Number(_unit(name) * value, name)


def masked(stages: Sequence[Mapping[str, Any]]) -> Pairs:
    """stages.json: the validation's metrics with the mask alone, 'mask top1' …, and removed."""
    last = stages[-1] if stages else {}
    for name, value in (last.get('metric_after') or {}).items():
        key = f'mask {name.rpartition("/")[2]}'
        yield key, Number(_unit(name) * value, f'{name} of the validation')
    if 'removed' in last:
        yield 'removed', Number(100 * last['removed'])


def thinned(found: Mapping[str, Any]) -> Pairs:
    """sparsity.json: 'mask flops ratio', dense / masked, each layer counted by itself."""
    if 'fewer' in found:
        yield 'mask flops ratio', Number(found['fewer']['flops_of_mask'])


def slimmed(found: Mapping[str, Any]) -> Pairs:
    """sparsity.json: 'macs ratio', dense / without the channels that no layer reads."""
    if 'fewer' in found:
        yield 'macs ratio', Number(found['fewer']['macs_of_slim'])


def sharp(found: Mapping[str, Any]) -> Pairs:
    """sharpness.json: 'loss difference@0.01' and the like, in the space of the scores."""
    under = f'{found["loss"]["type"]}, {found["images"]} {found["split"]} images'
    return _sharp(found['spaces'].get('scores', {}), under)


def searched(found: Mapping[str, Any]) -> Pairs:
    """search.json: the same as `sharp`, of the last epoch that was measured."""
    measured = [one for one in found['records'] if one.get('loss_difference')]
    return _sharp(measured[-1] if measured else {}, 'last epoch of the search')


def _sharp(space: Mapping[str, Any], under: str) -> Pairs:
    for one in space.get('loss_difference') or ():
        yield f'loss difference@{one["rho"]:g}', Number(one['value'], under)


READERS: dict[str, Callable[[Any], Pairs]] = dict(
    results=corrupted,
    imagenet_v2=shifted,
    attacks=attacked,
    cost=cost,
    latency=timed,
    rounds=cut,
    decisions=decided,
    frequency=filtered,
    stages=masked,
    sharpness=sharp,
    search=lambda found: (),
    sparsity=thinned,
)
# where no other file has the number
FALLBACK: dict[str, Callable[[Any], Pairs]] = dict(
    attacks=clean_of_attacks, search=searched, sparsity=slimmed
)


def numbers_of(files: Iterable[tuple[str, str, Any]], label: str) -> dict[str, Number]:
    """The numbers in (prefix, kind, content) triples; a prefix ('mask ') comes before every key.

    Raises:
        ValueError: two evaluations of one kind that do not agree.
    """
    files = list(files)
    found: dict[str, Number] = {}
    for prefix, kind, content in files:
        for key, number in READERS[kind](content):
            _add(found, prefix + key, number, label)
    own: dict[str, Number] = {}
    for prefix, kind, content in files:
        for key, number in FALLBACK.get(kind, lambda _: ())(content):
            own.setdefault(prefix + key, number)
    return own | found


def unfinished(files: Iterable[tuple[str, str, Any]]) -> tuple[str, ...]:
    """What each results.json lacks: 'imagenet-c lacks fog', which has no mean then."""
    said = []
    for _, kind, content in files:
        lacking = []
        if kind == 'results':
            means = content['per_corruption'].items()
            lacking = [name for name, mean in means if mean is None]
        if lacking:
            said.append(f'{content["suite"]} lacks {", ".join(lacking)}')
    return tuple(said)


def by_corruption(files: Iterable[tuple[str, str, Any]]) -> dict[str, dict[str, float]]:
    """Suite -> corruption -> mean over its severities in per cent, of results.json."""
    found: dict[str, dict[str, float]] = {}
    for prefix, kind, content in files:
        if kind == 'results' and not prefix:
            unit = _unit(content['metric'])
            means = content['per_corruption'].items()
            known = {name: unit * mean for name, mean in means if mean is not None}
            found.setdefault(content['suite'], {}).update(known)
    return found


def _add(found: dict[str, Number], key: str, number: Number, label: str) -> None:
    before = found.setdefault(key, number)
    if before.under != number.under or abs(before.value - number.value) > AGREE:
        sides = [f'{one.value:.4g} {one.under or ""}'.rstrip() for one in (before, number)]
        raise ValueError(
            f"'{label}' has two numbers for {key} ({'; '.join(sides)}); "
            'leave one of the evaluations in its work dir.'
        )


def _unit(metric: str) -> float:
    """What makes per cent of a metric.

    mmpretrain's accuracies and attacks are in per cent already, mean precisions are fractions.
    """
    usual = 100.0 if metric.startswith('attacked') else 1.0
    return 100.0 / BEST.get(metric.partition('/')[0], usual)
