"""How fast a checkpoint is, before and after pruning, and what a latency table says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS
from torch import nn

from mmrobustprune.cost.count import count, latency
from mmrobustprune.dependency.groups import Group
from mmrobustprune.engine.attacks.evaluate import device_of
from mmrobustprune.engine.bridge.channels_last import give_channels_last
from mmrobustprune.engine.bridge.checkpoint import load_model, structure_of
from mmrobustprune.engine.bridge.config import as_config, plain_config, test_size, type_name
from mmrobustprune.engine.bridge.model import example_batch
from mmrobustprune.engine.pruning.forward import named_in, structure_forward, whole_forward
from mmrobustprune.grouped_kernels import fix_forms
from mmrobustprune.latency import LatencyModel, LatencyTable, Network, measure_table, stamp_of
from mmrobustprune.models.pruned import is_pruned_config, without_pretrained
from mmrobustprune.records import stamp
from mmrobustprune.records.files import write_json
from mmrobustprune.structure.record import Structure
from mmrobustprune.surgery.followed import trace


@dataclass(frozen=True)
class LatencyOptions:
    """How a network is timed.

    Attributes:
        shape: input height and width in pixels; None reads it from the test pipeline.
        batch: images per forward pass.
        threads: of the CPU; None leaves them as they are.
        device: None takes a GPU where there is one.
        repeats: measured passes of each network.
        table: file of a latency table, measured as far as it lacks the dense network; a prediction
            is then added.
        seconds: for the table.
        cfg_options: KEY=VALUE, over the config's own.
        forward: 'package.module:function' that is timed and traced; '' is what the config says as
            robust_prune.forward, or the model's own tensor forward.
        against: config of another network that a dense one is timed beside (a narrower MobileNet
            beside the whole one); '' times it alone.
    Raises:
        ValueError: a number below 1.
    """

    shape: Sequence[int] | None = None
    batch: int = 1
    threads: int | None = None
    device: str | None = None
    repeats: int = 50
    table: str | Path | None = None
    seconds: float = 300.0
    cfg_options: Sequence[str] = ()
    forward: str = ''
    against: str | Path = ''

    def __post_init__(self) -> None:
        counts = (self.batch, self.repeats, 1 if self.threads is None else self.threads)
        if min(counts) < 1:
            raise ValueError(
                f'batch={self.batch}, threads={self.threads} and repeats={self.repeats} are '
                'numbers of at least 1; give such.'
            )


def measure_latency(
    config: str | Path | Config,
    checkpoint: str | Path,
    work_dir: str | Path,
    options: LatencyOptions | None = None,
) -> dict[str, Any]:
    """Time of one forward pass of a checkpoint's network, written to `<work_dir>/latency.json`.

    A pruned checkpoint is timed beside its dense network, both taking turns, in the memory order
    that the config's hooks give. Layers of grouped kernels are timed in the form in which they are
    exported, the faster one.

    Args:
        config: a path, or a config that was read; it is not changed.
        checkpoint: dense or pruned weights.
        work_dir: for the results.
        options: how it is timed; None takes every default.
    Returns:
        `networks` ('dense', 'pruned', or 'against', 'dense') with median, spread, parameters and
        MACs, and the `forms` of grouped-kernel layers; of two `speed_up` and `macs_ratio`, the
        first by the second; `predicted_ms` of each with a table; and what all depend on.
    Raises:
        FileNotFoundError: config or checkpoint are not there.
        ValueError: no input size is known, no such forward, a table of another device, batch,
            precision or number of threads, or another network beside a pruned one.
    """
    options = options or LatencyOptions()
    config = as_config(config, options.cfg_options)
    path = options.forward or named_in(config)
    call = whole_forward(path)
    model, meta, _ = load_model(config, str(checkpoint))
    structure = structure_of(meta)
    height, width = options.shape or test_size(config)
    device = device_of(options.device)
    models = {'dense': model}
    if structure is not None:
        models = {'dense': dense_network(config), 'pruned': model}
    if options.against:
        models = _beside(options.against, model, structure)
    models = {name: one.to(device).eval() for name, one in models.items()}
    hooks = config.get('custom_hooks') or []
    if any(type_name(hook['type']) == 'ChannelsLastHook' for hook in hooks):
        for one in models.values():
            give_channels_last(one.backbone)
    if options.table is not None and structure is not None:
        _refuse_grouped(structure)
    with threads_of(options.threads):
        examples = {}
        calls = {}
        numbers = {}
        for name, one in models.items():
            example = examples[name] = example_batch(one, height, width, options.batch, call)
            cost = count(one, example, call)
            numbers[name] = dict(params=cost.params, macs=cost.macs // options.batch)
            if forms := fix_forms(one, 'fastest', example, call):
                numbers[name]['forms'] = forms
            calls[name] = partial(call, one, example)
        times = latency(calls, device, repeats=options.repeats)
        networks = {name: times[name] | numbers[name] for name in models}
        like = stamp_of(models['dense'], examples['dense'])
        found = dict(
            networks=networks,
            batch=options.batch,
            shape=[height, width],
            **_ratios(networks),
            device=like['device'],
            threads=like['threads'],
            precision=like['precision'],
            versions=like['versions'],
            config=str(config.filename or ''),
            checkpoint=str(checkpoint),
            commit=stamp.commit(),
            command=stamp.command(),
        )
        write_json(Path(work_dir) / 'latency.json', found)
        if options.table is not None:
            table = LatencyTable.open(options.table, like)
            dense = (models['dense'], examples['dense'])
            found |= _predict(*dense, structure, table, options.seconds, path)
            write_json(Path(work_dir) / 'latency.json', found)
    return found


def dense_network(config: Config) -> nn.Module:
    """The unpruned network of a config, also of a pruned one's; its weights are random."""
    config = plain_config(config)
    model = config.model.architecture if is_pruned_config(config.model) else config.model
    model = without_pretrained(model)
    if config.get('data_preprocessor') is not None and model.get('data_preprocessor') is None:
        model['data_preprocessor'] = config.data_preprocessor
    return MODELS.build(ConfigDict(model))


def alive_of(structure: Structure, groups: Sequence[Group]) -> dict[str, int]:
    """How many units of each group a surgery kept."""
    kept = {}
    for group in groups:
        alive = torch.ones(group.units, dtype=torch.bool)
        for part in group.slices:
            channels = structure.layers.get(part.layer, {}).get(part.side)
            if channels is not None:
                alive &= torch.isin(part.index, torch.tensor(channels)).all(1)
        kept[group.name] = int(alive.sum())
    return kept


@contextmanager
def threads_of(count: int | None):
    """So many CPU threads, as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _beside(
    config: str | Path, model: nn.Module, structure: Structure | None
) -> dict[str, nn.Module]:
    """A dense network after that of another config."""
    if structure is not None:
        raise ValueError(
            f'{config} was given to be timed beside a pruned network, which is timed beside its '
            'own dense one; leave it away.'
        )
    return {'against': dense_network(as_config(config)), 'dense': model}


def _ratios(networks: Mapping[str, dict]) -> dict[str, float]:
    if len(networks) < 2:
        return {}
    first, second = networks.values()
    return dict(
        speed_up=first['median_ms'] / second['median_ms'], macs_ratio=first['macs'] / second['macs']
    )


def _refuse_grouped(structure: Structure) -> None:
    if any('kept' in record for record in structure.layers.values()):
        raise ValueError(
            'a latency table speaks of entire channels, but this checkpoint lost grouped kernels; '
            'leave the table out, then it is only measured.'
        )


def _predict(
    model: nn.Module,
    example: dict,
    structure: Structure | None,
    table: LatencyTable,
    seconds: float,
    path: str,
) -> dict:
    call = whole_forward(path)
    found = trace(model, example, structure_forward(path, model))
    network = Network.read(model, found, example, call)
    alive = alive_of(structure, found.groups) if structure is not None else {}
    measure_table(
        table,
        network,
        model,
        example,
        call,
        step=min([8, *alive.values()]),
        seconds=seconds,
    )
    cost = LatencyModel(network, table)
    predicted = {'dense': cost.dense}
    if structure is not None:
        predicted['pruned'] = cost.predict(alive)
    return dict(predicted_ms=predicted, table=str(table.path))
