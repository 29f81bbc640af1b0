"""Sharpness of a classifier in its weights, and in its scores where it holds a search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from mmrobustprune.analysis.meters import Masks, Meter, build_meters
from mmrobustprune.analysis.vectors import Loss
from mmrobustprune.attack import Classifier, RobustLoss, build_robust_loss, choose_subset
from mmrobustprune.dependency.groups import weighted_layers
from mmrobustprune.engine.attacks.evaluate import (
    Progress,
    device_of,
    known_labels,
    refuse_other_labels,
    split_into_batches,
)
from mmrobustprune.engine.bridge.checkpoint import load_model, read_checkpoint
from mmrobustprune.engine.bridge.config import as_config
from mmrobustprune.engine.bridge.data import fingerprint
from mmrobustprune.engine.bridge.images import LabelledImages
from mmrobustprune.engine.bridge.runner import RebuildRunner
from mmrobustprune.engine.bridge.training_loss import check_statistics, steady
from mmrobustprune.mask_search import keep_only
from mmrobustprune.models.pixels import pixel_classifier
from mmrobustprune.recipes.build import build_recipe
from mmrobustprune.records import stamp
from mmrobustprune.records.files import write_json
from mmrobustprune.records.store import CellStore
from mmrobustprune.report.figures.search_plots import draw_panels, rises

SPLITS = ('train', 'test')
TRAINING = 'training'  # as a loss: the one that the config trains by


@dataclass(frozen=True)
class SharpnessOptions:
    """What sharpness is measured on, and how.

    Attributes:
        split: 'train' or 'test' images, both through the test pipeline.
        subset: how many images, chosen at random by the seed; None takes 1024, or all there are.
        batch_size: None takes the config's.
        meters: as `meters.build_meters`; None measures both at their usual cost.
        batch_norm: 'eval' or 'train', see `training_loss.steady`.
        seed: of the choice of images and of the attack.
        device: None takes a GPU where there is one.
        cfg_options: KEY=VALUE, over the config's own.
    Raises:
        ValueError: a value that is not allowed.
    """

    split: str = 'train'
    subset: int | None = None
    batch_size: int | None = None
    meters: Mapping[str, Any] | None = None
    batch_norm: str = 'eval'
    seed: int = 0
    device: str | None = None
    cfg_options: Sequence[str] = ()

    def __post_init__(self) -> None:
        check_statistics(self.batch_norm)
        self.build_meters()

    def build_meters(self) -> list[Meter]:
        """The meters asked for."""
        both = dict(lambda_max={}, loss_difference={})
        return build_meters(**(both if self.meters is None else self.meters))


def measure_sharpness(
    config: str | Path | Config,
    checkpoint: str | Path,
    work_dir: str | Path,
    loss: Mapping[str, Any] | RobustLoss | str,
    progress: Progress | None = None,
    options: SharpnessOptions | None = None,
) -> dict[str, Any]:
    """Curvature and loss difference of a checkpoint, written to `<work_dir>/sharpness.json`.

    Weights are those of convolution and linear layers, of a pruned network the kept ones. Where the
    checkpoint holds a running search, its scores are measured as well. Both numbers are means over
    batches; every finished batch is kept in `<work_dir>/chunks`, and the same call goes on from
    there. The loss difference is drawn beside the results.

    Args:
        config: a path, or a config that was read; it is not changed.
        checkpoint: dense, pruned, or of a running search.
        work_dir: for the results.
        loss: of `attack.losses`; its attack is made once per batch, at the checkpoint's weights,
            and then held fixed. 'training' is the loss that the config trains by.
        progress: called before every batch.
        options: images and meters; None takes every default.
    Returns:
        `spaces` (weights, and scores: lambda_max, residual, loss, loss_difference, parameters), and
        what all depend on.
    Raises:
        FileNotFoundError: config, checkpoint or data are not there.
        ValueError: no classifier, a value that is not allowed, labels that the network has no
            output for, chunks of another run in the work dir.
    """
    options = options or SharpnessOptions()
    config = as_config(config, options.cfg_options)
    loss = build_robust_loss(loss_of_training(config) if loss == TRAINING else loss)
    searched = search_of(config, str(checkpoint))
    model, _, config = load_model(config, str(checkpoint))
    images = images_of_split(config, options.split)
    places = _places(len(images), options)
    batch_size = images.batch_size if options.batch_size is None else options.batch_size
    chunks = split_into_batches(places, batch_size)
    meters = options.build_meters()
    device = device_of(options.device)
    identity = dict(
        weights=stamp.weights_hash(model),
        config=stamp.config_hash(config.model.to_dict()),
        data=fingerprint(images.dataset),
        split=options.split,
        images=len(places),
        batch_size=batch_size,
        loss=dict(type=type(loss).__name__, **vars(loss)),
        batch_norm=options.batch_norm,
        seed=options.seed,
        meters={meter.name: asdict(meter) for meter in meters},
        device=stamp.device_name(model.to(device)),
        versions=stamp.versions(),
    )
    store = CellStore(Path(work_dir) / 'chunks', identity)
    like = next(images.batches([places[:1].tolist()]))[0].to(device)
    with steady(model, 'eval', options.seed):
        labels = known_labels(images.dataset, places)
        refuse_other_labels(pixel_classifier(model), like, labels)
    kinds = [of_weights, of_scores] if searched else [of_weights]
    report = progress or (lambda *_: None)
    found = {}
    for number, kind in enumerate(kinds):
        fresh = load_model(config, str(checkpoint))[0].to(device) if number else model
        coordinates = kind(fresh, searched)
        measure = _Measurement(coordinates, loss, meters, options.batch_norm, options.seed)
        told = partial(_tell, report, number * len(chunks), len(kinds) * len(chunks))
        found[coordinates.name] = measure.run(images, chunks, store, told)
    results = dict(
        spaces=found,
        checkpoint=str(checkpoint),
        **identity,
        commit=stamp.commit(),
        command=stamp.command(),
    )
    write_json(Path(work_dir) / 'sharpness.json', results)
    _draw(Path(work_dir) / 'loss_difference.png', Path(checkpoint).stem, found)
    return results


def loss_of_training(config: Config) -> Mapping[str, Any]:
    """The robust loss that a config trains by; cross-entropy where it names none."""
    return config.model.get('robust_loss') or dict(type='CrossEntropy')


def _places(images: int, options: SharpnessOptions) -> np.ndarray:
    """The chosen images in random order, since a folder of classes is in order."""
    subset = min(1024, images) if options.subset is None else options.subset
    places = choose_subset(images, subset, 'random', options.seed)
    return np.random.default_rng(options.seed).permutation(places)


def _tell(progress: Progress, before: int, total: int, what: str, done: int) -> None:
    progress(what, before + done, total)


def images_of_split(config: Config, split: str) -> LabelledImages:
    """The training or test images of a config, both as the test pipeline gives them.

    Raises:
        ValueError: another split, or a config without it.
    """
    if split not in SPLITS:
        raise ValueError(f'split={split!r} is unknown; choose {" or ".join(map(repr, SPLITS))}.')
    for name in {f'{split}_dataloader', 'test_dataloader'}:
        if not config.get(name):
            raise ValueError(f'the config has no {name}; add it, or choose the other images.')
    settings = deepcopy(config.test_dataloader)
    test = _innermost(config.test_dataloader.dataset)
    if split == 'train':
        data = _innermost(deepcopy(config.train_dataloader.dataset))
        settings.dataset = dict(data, pipeline=test.get('pipeline', []))
    return LabelledImages(RebuildRunner.build_dataloader(settings))


def search_of(config: Config, checkpoint: str) -> dict | None:
    """What a checkpoint of a running search holds: recipe, scores and the host's numbers.

    None for any other checkpoint.
    """
    saved = read_checkpoint(checkpoint).get('robust_prune') or {}
    if saved.get('stage') != 'search' or saved.get('raw') is None:
        return None
    if config.get('robust_prune') is None:
        raise ValueError(
            f"'{checkpoint}' holds a search and the config has no robust_prune; give the config "
            'it was trained with.'
        )
    return dict(recipe=build_recipe(config.robust_prune), state=saved['raw'], host=saved['search'])


def _innermost(dataset: Any) -> Any:
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    return dataset


@dataclass
class Coordinates:
    """What is moved.

    Attributes:
        name: 'weights' or 'scores'.
        model: the network.
        params: the tensors that are moved.
        masks: what scores select; None for weights.
        record: what to say of them.
    """

    name: str
    model: nn.Module
    params: list[Tensor]
    masks: Masks | None
    record: dict[str, Any]


def of_weights(model: nn.Module, searched: Mapping[str, Any] | None = None) -> Coordinates:
    """The weights of convolution and linear layers; zeros are held, as pruned ones."""
    layers = weighted_layers(model)
    masks = {name: layer.weight != 0 for name, layer in layers.items()}
    keep_only(model, {name: mask for name, mask in masks.items() if mask.any() and not mask.all()})
    params = [
        layer.parametrizations.weight.original if is_parametrized(layer, 'weight') else layer.weight
        for name, layer in layers.items()
        if masks[name].any()
    ]
    return Coordinates(
        'weights',
        model,
        params,
        None,
        dict(parameters=sum(int(mask.sum()) for mask in masks.values())),
    )


def of_scores(model: nn.Module, searched: Mapping[str, Any]) -> Coordinates:
    """The scores of a search, as `search_of` found it."""
    state = searched['state']
    unscored = [
        name
        for name in weighted_layers(model)
        if f'{name}.parametrizations.weight.original' not in state
    ]
    search = searched['recipe'].build_host(unscored).attach(model)
    model.load_state_dict(state)
    search.load_state_dict(searched['host'])
    params = search.score_parameters()
    return Coordinates(
        'scores',
        model,
        params,
        search.masks,
        dict(parameters=sum(one.numel() for one in params), removed=search.ratio()),
    )


@dataclass
class _Measurement:
    """Every meter on every batch, in one kind of coordinates."""

    coordinates: Coordinates
    loss: RobustLoss
    meters: Sequence[Meter]
    batch_norm: str
    seed: int

    def run(
        self,
        images: LabelledImages,
        chunks: Sequence[np.ndarray],
        store: CellStore,
        progress: Callable[[str, int], Any],
    ) -> dict[str, Any]:
        """Measure the batches that are missing; the means over all of them."""
        cells = [(self.coordinates.name, number) for number in range(len(chunks))]
        missing = [number for number, cell in enumerate(cells) if not store.read([cell])]
        batches = images.batches([chunks[number].tolist() for number in missing])
        for number, (x, y) in zip(missing, batches, strict=True):
            progress(f'{self.coordinates.name}, batch {number + 1} of {len(chunks)}', number)
            store.write(cells[number], self._batch(x, y, number))
        progress('done', len(chunks))
        records = list(store.read(cells).values())
        found = dict(self.coordinates.record)
        for meter in self.meters:
            found |= meter.mean(records)
        return found

    def _batch(self, x: Tensor, y: Tensor, number: int) -> dict[str, Any]:
        device = next(self.coordinates.model.parameters()).device
        found = {}
        with steady(self.coordinates.model, self.batch_norm, self.seed + number):
            classifier = pixel_classifier(self.coordinates.model)
            one = _fixed(classifier, self.loss, x.to(device), y.to(device))
            for meter in self.meters:
                found |= meter(one, self.coordinates.params, self.coordinates.masks)
        return found


def _fixed(model: Classifier, loss: RobustLoss, x: Tensor, y: Tensor) -> Loss:
    attacked = loss.craft(model, x, y)
    attacked = None if attacked is None else attacked.detach()
    return lambda: sum(loss(model, x, attacked, y).values())


def _draw(path: Path, name: str, spaces: Mapping[str, Mapping[str, Any]]) -> None:
    panels = [
        rises(f'Loss difference in the {space}', {name: one['loss_difference']})
        for space, one in spaces.items()
        if 'loss_difference' in one
    ]
    if panels:
        draw_panels(path, panels)
