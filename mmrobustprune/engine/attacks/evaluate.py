"""Attacks on any mmpretrain classifier, dense or pruned: batch by batch, kept as they finish."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor

from mmrobustprune.attack import Attack, Classifier, Clean, Outcome, choose_subset, doubts
from mmrobustprune.cost.count import RULES, total
from mmrobustprune.engine.bridge.channels_last import channels_last
from mmrobustprune.engine.bridge.checkpoint import load_model, structure_of
from mmrobustprune.engine.bridge.config import as_config
from mmrobustprune.engine.bridge.data import fingerprint, info_of
from mmrobustprune.engine.bridge.images import LabelledImages
from mmrobustprune.grouped_kernels import set_form
from mmrobustprune.models.pixels import pixel_classifier
from mmrobustprune.records import stamp
from mmrobustprune.records.files import read_json, write_json
from mmrobustprune.records.store import CellStore

from .fitting import Fitting

# what is under way, batches of all probes done, all there are
Progress = Callable[[str, int, int], Any]
ON_A_GPU = 512  # images: what withstands the first attacks of them is a batch, too


class Probe(Protocol):
    """Anything that says which images of a batch are still classified right; `Attack` is one."""

    name: str
    key: str

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, index: Tensor) -> Outcome: ...

    def stamp(self, model: Classifier, like: Tensor) -> dict[str, Any]: ...


@dataclass(frozen=True)
class ImageChoice:
    """Which test images are looked at, and how.

    Attributes:
        subset: how many; None takes all.
        pick: 'random' or 'first', see `attack.choose_subset`.
        subset_seed: of the random choice.
        batch_size: None takes the config's, and on a GPU 512. What does not fit into a GPU's memory
            is halved until it does.
        device: None takes a GPU where there is one.
        cfg_options: KEY=VALUE, over the config's own.
    """

    subset: int | None = None
    pick: str = 'random'
    subset_seed: int = 0
    batch_size: int | None = None
    device: str | None = None
    cfg_options: Sequence[str] = ()


def evaluate_attacks(
    config: str | Path | Config,
    checkpoint: str | Path,
    work_dir: str | Path,
    attacks: Sequence[Attack],
    progress: Progress | None = None,
    choice: ImageChoice | None = None,
) -> dict[str, Any]:
    """Accuracy of a classifier clean and under attacks, written to `<work_dir>/attacks.json`.

    Args:
        config, checkpoint, work_dir, progress, choice: as `evaluate_probes`.
        attacks: see `attack.choose`.
    Returns:
        `clean`, `attacks` (settings, stamp, `key`, `accuracy`, `breakdown` and `notes` of each),
        `doubts`, and what all depend on.
    Raises:
        FileNotFoundError, ValueError: as `evaluate_probes`, or an attack that this classifier
            cannot be given.
    """
    results = evaluate_probes(config, checkpoint, work_dir, attacks, progress, choice)
    results['doubts'] = doubts(results['probes'], results['clean'])
    results['attacks'] = results.pop('probes')
    write_json(Path(work_dir) / 'attacks.json', results)
    return results


def evaluate_probes(
    config: str | Path | Config,
    checkpoint: str | Path,
    work_dir: str | Path,
    probes: Sequence[Probe],
    progress: Progress | None = None,
    choice: ImageChoice | None = None,
) -> dict[str, Any]:
    """Accuracy of a classifier clean and under each probe, on the same images.

    Every finished batch of every probe is kept in `<work_dir>/chunks`; the same call goes on from
    there.

    Args:
        config: a path, or a config that was read; it is not changed.
        checkpoint: dense or pruned weights.
        probes: what is asked of every image, beside the clean answer.
        progress: called before every batch of every probe.
        choice: which images; None takes all.
    Returns:
        `clean`, `probes`, `cost` (parameters and MACs of an image by every rule of `cost.RULES`),
        and what they depend on.
    Raises:
        FileNotFoundError: config, checkpoint or data are not there.
        ValueError: no classifier, no test images as the attacks need them, labels that the network
            has no output for, chunks of another run in the work dir.
    """
    choice = choice or ImageChoice()
    config = as_config(config, choice.cfg_options)
    model, meta, config = load_model(config, str(checkpoint))
    images = LabelledImages.of_test_set(config)
    places = choose_subset(len(images), choice.subset, choice.pick, choice.subset_seed)
    device = device_of(choice.device)
    usual = images.batch_size if device.type == 'cpu' else ON_A_GPU
    batch_size = usual if choice.batch_size is None else choice.batch_size
    chunks = split_into_batches(places, batch_size)
    model = set_form(model.to(device)).eval()
    classifier = pixel_classifier(model)
    if device.type == 'cpu':
        classifier.network.register_forward_pre_hook(channels_last)  # a fifth less time
    chosen = dict(
        size=len(places),
        of=len(images),
        pick='all' if choice.subset is None else choice.pick,
        seed=choice.subset_seed,
    )
    identity = _identity(config, model, images, chosen, batch_size)
    store = CellStore(Path(work_dir) / 'chunks', identity)
    like = next(images.batches([places[:1].tolist()]))[0].to(device)
    refuse_other_labels(classifier, like, known_labels(images.dataset, places))
    probes = [Clean(), *probes]
    _ProbeRun(classifier, images, chunks, probes, store, progress or (lambda *_: None)).finish()
    found = [_total(store, probe, len(chunks)) for probe in probes]
    rows = []
    for probe, numbers in zip(probes[1:], found[1:], strict=True):
        rows.append(dict(probe.stamp(classifier, like), key=probe.key, subset=chosen, **numbers))
    pruned = structure_of(meta) is not None
    return dict(
        clean=found[0]['accuracy'],
        probes=rows,
        cost={rule: total(classifier, like, rule, pruned=pruned) for rule in RULES},
        checkpoint=str(checkpoint),
        **identity,
        commit=stamp.commit(),
        command=stamp.command(),
    )


def right_answers(work_dir: str | Path, key: str) -> tuple[list[int], list[bool]]:
    """Which images a finished probe was asked of, and whether each was right to the end.

    Args:
        work_dir: that `evaluate_probes` was given.
        key: of the probe.
    Returns:
        Places in the data set in ascending order, and the answers.
    """
    found = {}
    for file in Path(work_dir, 'chunks').glob(f'{key}-*.json'):
        chunk = read_json(file)
        bits = list(chunk['robust'].values())[-1]
        found |= zip(chunk['index'], (bit == '1' for bit in bits), strict=True)
    places = sorted(found)
    return places, [found[place] for place in places]


def device_of(name: str | None) -> torch.device:
    """The device of that name; None means a GPU where there is one."""
    return torch.device(name or ('cuda' if torch.cuda.is_available() else 'cpu'))


def split_into_batches(places: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Places in the data set, a batch at a time.

    Raises:
        ValueError: a batch of no image.
    """
    if batch_size < 1:
        raise ValueError(f'batch_size={batch_size} is no number of images; give at least 1.')
    return np.split(places, range(batch_size, len(places), batch_size))


def known_labels(dataset: Any, places: Sequence[int]) -> set[int]:
    """The single labels that a data set gives at these places."""
    labels = (info_of(dataset, int(place)).get('gt_label') for place in places)
    return {int(label) for label in labels if isinstance(label, (int, np.integer))}


def refuse_other_labels(model: Classifier, image: Tensor, labels: set[int]) -> None:
    """Refuse labels that a network has no output for.

    Args:
        model: pixels -> logits (N, classes).
        image: (1, C, H, W), to count the outputs by.
        labels: those of the data set.
    Raises:
        ValueError: there are such labels, or one output alone, whose class would always be first.
    """
    with torch.no_grad():
        outputs = model(image).shape[1]
    if outputs == 1:
        raise ValueError(
            'the network has 1 output, so every image counts as class 0; give a classifier with '
            'an output for each class (two of them for yes and no).'
        )
    if labels and (min(labels) < 0 or max(labels) >= outputs):
        raise ValueError(
            f'the network has {outputs} outputs and the labels of the data set go from '
            f'{min(labels)} to {max(labels)}; give a data set of its classes, or a checkpoint of '
            'these.'
        )


def _identity(
    config: Config,
    model: torch.nn.Module,
    images: LabelledImages,
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
        data=fingerprint(images.dataset),
        subset=dict(chosen),
        batch_size=batch_size,
        device=stamp.device_name(model),
        versions=stamp.versions(),
    )


@dataclass
class _ProbeRun:
    """All batches of all probes, each batch read once."""

    model: Classifier
    images: LabelledImages
    chunks: Sequence[np.ndarray]
    probes: Sequence[Probe]
    store: CellStore
    progress: Progress
    fitting: Fitting = field(default_factory=Fitting)

    def finish(self) -> None:
        """Run what is missing."""
        cells = [self._cells(number) for number in range(len(self.chunks))]
        kept = [len(self.store.read(row)) for row in cells]
        total = len(self.chunks) * len(self.probes)
        done = sum(kept)
        missing = [number for number, count in enumerate(kept) if count < len(self.probes)]
        batches = self.images.batches([self.chunks[number].tolist() for number in missing])
        for number, (x, y) in zip(missing, batches, strict=True):
            what = f'batch {number + 1} of {len(self.chunks)}'
            for probe, cell in zip(self.probes, cells[number], strict=True):
                if self.store.read([cell]):
                    continue
                self.progress(f'{probe.name}, {what}', done, total)
                self.store.write(cell, self._one(probe, x, y, self.chunks[number]))
                done += 1
        self.progress('done', done, total)

    def _cells(self, number: int) -> list[tuple[str, int]]:
        return [(probe.key, number) for probe in self.probes]

    def _one(self, probe: Probe, x: Tensor, y: Tensor, index: np.ndarray) -> dict[str, Any]:
        device = next(self.model.parameters()).device
        start = time.monotonic()
        places = torch.from_numpy(index)
        outcome = self.fitting(probe, self.model, x.to(device), y.to(device), places)
        return dict(
            index=index.tolist(),
            notes=outcome.notes,
            seconds=time.monotonic() - start,
            robust={step: _bits(mask) for step, mask in outcome.robust.items()},
        )


def _bits(mask: Tensor) -> str:
    """'1' for every image that is right, '0' for the others."""
    return ''.join('01'[int(one)] for one in mask.tolist())


def _total(store: CellStore, probe: Probe, chunks: int) -> dict[str, Any]:
    """Accuracy over all chunks of one probe; with several steps, after each of them."""
    rows = list(store.read([(probe.key, number) for number in range(chunks)]).values())
    images = sum(len(row['index']) for row in rows)
    after: dict[str, float] = {}
    for step in rows[0]['robust']:
        after[step] = sum(row['robust'][step].count('1') for row in rows) / images
    notes: dict[str, None] = {}
    for row in rows:
        notes |= dict.fromkeys(row['notes'])
    total = dict(
        accuracy=list(after.values())[-1],
        images=images,
        seconds=sum(row['seconds'] for row in rows),
        notes=list(notes),
    )
    return total | dict(breakdown=after) if len(after) > 1 else total
