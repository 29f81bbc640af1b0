"""Attacks on any mmpretrain classifier, dense or pruned: batch by batch, kept as they finish."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor

from mmrobustprune.attack import Attack, Classifier, Clean, Outcome, choose_subset, doubts
from mmrobustprune.engine.bridge.channels_last import channels_last
from mmrobustprune.engine.bridge.checkpoint import load_model
from mmrobustprune.engine.bridge.config import as_config
from mmrobustprune.engine.bridge.data import fingerprint
from mmrobustprune.engine.bridge.images import LabelledImages
from mmrobustprune.grouped_kernels import set_form
from mmrobustprune.models.pixels import pixel_classifier
from mmrobustprune.records import stamp
from mmrobustprune.records.files import write_json
from mmrobustprune.records.store import CellStore

Progress = Callable[
    [str, int, int], Any
]  # what is under way, batches of all probes done, all there are


class Probe(Protocol):
    """Anything that says which pictures of a batch are still classified right; every `Attack` is one."""

    name: str
    key: str

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, index: Tensor) -> Outcome: ...

    def stamp(self, model: Classifier, like: Tensor) -> dict[str, Any]: ...


def attack_config(
    config: str | Path | Config,
    checkpoint: str | Path,
    work_dir: str | Path,
    attacks: Sequence[Attack],
    progress: Progress | None = None,
    **choices: Any,
) -> dict[str, Any]:
    """Accuracy of a classifier clean and under attacks, written to `<work_dir>/attacks.json`.

    Args:
        attacks: see `attack.choose`.
        choices: as `probe_config`.
    Returns:
        `clean`, `attacks` (settings, stamp, `accuracy`, `breakdown` and `notes` of each), `doubts`, and what all depend on.
    Raises:
        FileNotFoundError, ValueError: as `probe_config`, or an attack that this classifier cannot be given.
    """
    results = probe_config(config, checkpoint, work_dir, attacks, progress, **choices)
    results['doubts'] = doubts(results['probes'], results['clean'])
    results['attacks'] = results.pop('probes')
    write_json(Path(work_dir) / 'attacks.json', results)
    return results


def probe_config(
    config: str | Path | Config,
    checkpoint: str | Path,
    work_dir: str | Path,
    probes: Sequence[Probe],
    progress: Progress | None = None,
    subset: int | None = None,
    pick: str = 'random',
    subset_seed: int = 0,
    batch_size: int | None = None,
    device: str | None = None,
    options: Sequence[str] = (),
) -> dict[str, Any]:
    """Accuracy of a classifier clean and under each probe, on the same pictures.

    Every finished batch of every probe is kept in `<work_dir>/chunks`; the same call goes on from there.

    Args:
        config: a path, or a config that was read; it is not changed.
        checkpoint: dense or pruned weights.
        progress: called before every batch of every probe.
        subset, pick, subset_seed: see `attack.choose_subset`.
        batch_size: None takes the config's.
        device: None takes a GPU where there is one.
        options: KEY=VALUE, over the config's own.
    Returns:
        `clean`, `probes` and what they depend on.
    Raises:
        FileNotFoundError: config, checkpoint or data are not there.
        ValueError: no classifier, no test pictures as the attacks need them, chunks of another run in the work dir.
    """
    config = as_config(config, options)
    model, _, config = load_model(config, str(checkpoint))
    pictures = LabelledImages.of_test_set(config)
    places = choose_subset(len(pictures), subset, pick, subset_seed)
    batch_size = batch_size or pictures.batch_size
    if batch_size < 1:
        raise ValueError(f'batch_size={batch_size} is no number of pictures; give at least 1.')
    chunks = np.split(places, range(batch_size, len(places), batch_size))
    model = set_form(model.to(device or ('cuda' if torch.cuda.is_available() else 'cpu'))).eval()
    classifier = pixel_classifier(model)
    if next(model.parameters()).device.type == 'cpu':
        classifier.network.register_forward_pre_hook(channels_last)  # a fifth less time
    chosen = dict(
        size=len(places), of=len(pictures), pick='all' if subset is None else pick, seed=subset_seed
    )
    identity = _identity(config, model, pictures, chosen, batch_size)
    store = CellStore(Path(work_dir) / 'chunks', identity)
    probes = [Clean(), *probes]
    like = _run(classifier, pictures, chunks, probes, store, progress or (lambda *_: None))
    found = [_total(store, probe, len(chunks)) for probe in probes]
    stamps = [probe.stamp(classifier, like) for probe in probes]
    rows = [dict(stamps[i], subset=chosen, **found[i]) for i in range(1, len(probes))]
    return dict(
        clean=found[0]['accuracy'],
        probes=rows,
        checkpoint=str(checkpoint),
        **identity,
        commit=stamp.commit(),
        command=stamp.command(),
    )


def _identity(
    config: Config,
    model: torch.nn.Module,
    pictures: LabelledImages,
    chosen: Mapping[str, Any],
    batch_size: int,
) -> dict[str, Any]:
    """What the numbers of a chunk depend on, beside the probe."""
    whole = config.to_dict()
    read = {key: whole.get(key) for key in ('model', 'data_preprocessor')}
    # batches are made here, of a size that stands beside the hash
    read['test_dataloader'] = stamp.loader_settings(
        whole['test_dataloader'], ('batch_size', 'collate_fn')
    )
    return dict(
        weights=stamp.weights_hash(model),
        config=stamp.config_hash(read),
        data=fingerprint(pictures.dataset),
        subset=dict(chosen),
        batch_size=batch_size,
        device=stamp.device_name(model),
        versions=stamp.versions(),
    )


def _run(
    model: Classifier,
    pictures: LabelledImages,
    chunks: Sequence[np.ndarray],
    probes: Sequence[Probe],
    store: CellStore,
    progress: Progress,
) -> Tensor:
    """Run what is missing, each batch read once for all probes; one picture, to know its shape by."""
    cells = [[(probe.key, number) for probe in probes] for number in range(len(chunks))]
    missing = [number for number, row in enumerate(cells) if len(store.read(row)) < len(row)]
    done = len(chunks) * len(probes) - sum(len(row) - len(store.read(row)) for row in cells)
    device = next(model.parameters()).device
    like = None
    for number, (x, y) in zip(
        missing, pictures.batches([chunks[i].tolist() for i in missing]), strict=True
    ):
        x, y, index = x.to(device), y.to(device), torch.from_numpy(chunks[number])
        like = x[:1]
        for probe, cell in zip(probes, cells[number], strict=True):
            if store.read([cell]):
                continue
            progress(
                f'{probe.name}, batch {number + 1} of {len(chunks)}',
                done,
                len(chunks) * len(probes),
            )
            start = time.monotonic()
            outcome = probe(model, x, y, index)
            store.write(
                cell,
                dict(
                    index=chunks[number].tolist(),
                    notes=outcome.notes,
                    seconds=time.monotonic() - start,
                    robust={
                        step: ''.join('01'[int(one)] for one in mask.tolist())
                        for step, mask in outcome.robust.items()
                    },
                ),
            )
            done += 1
    progress('done', done, len(chunks) * len(probes))
    return next(pictures.batches([chunks[0][:1].tolist()]))[0].to(device) if like is None else like


def _total(store: CellStore, probe: Probe, chunks: int) -> dict[str, Any]:
    """Accuracy over all chunks of one probe; with several steps, after each of them."""
    rows = list(store.read([(probe.key, number) for number in range(chunks)]).values())
    images = sum(len(row['index']) for row in rows)
    after = {
        step: sum(row['robust'][step].count('1') for row in rows) / images
        for step in rows[0]['robust']
    }
    return dict(
        accuracy=list(after.values())[-1],
        images=images,
        seconds=sum(row['seconds'] for row in rows),
        notes=list(dict.fromkeys(note for row in rows for note in row['notes'])),
        **(dict(breakdown=after) if len(after) > 1 else {}),
    )
