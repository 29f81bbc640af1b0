"""Sharpness of a classifier's checkpoint: in its weights, and in its scores where it holds a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from mmrobustprune.analysis.meters import Masks, Meter, build_meters
from mmrobustprune.analysis.vectors import Loss
from mmrobustprune.attack import Classifier, RobustLoss, build_robust_loss, choose_subset
from mmrobustprune.dependency.groups import weighted_layers
from mmrobustprune.engine.attacks.evaluate import Progress
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


def sharpness_config(
    config: str | Path | Config,
    checkpoint: str | Path,
    work_dir: str | Path,
    loss: Mapping[str, Any] | RobustLoss,
    progress: Progress | None = None,
    split: str = 'train',
    subset: int | None = None,
    batch_size: int | None = None,
    meters: Mapping[str, Any] | None = None,
    batch_norm: str = 'eval',
    seed: int = 0,
    device: str | None = None,
    options: Sequence[str] = (),
) -> dict[str, Any]:
    """Curvature and loss difference of a checkpoint, written to `<work_dir>/sharpness.json` and drawn beside it.

    Weights are those of convolution and linear layers, of a pruned network the kept ones. Where the checkpoint holds a running
    search, its scores are a space of their own. Both numbers are means over batches; every finished batch is kept in
    `<work_dir>/chunks`, and the same call goes on from there.

    Args:
        config: a path, or a config that was read; it is not changed.
        loss: of `attack.losses`; its attack is made once per batch, at the checkpoint's weights, and then held fixed.
        progress: called before every batch of every space.
        split: 'train' or 'test' pictures, both through the test pipeline.
        subset: how many pictures, chosen at random by the seed; None takes 1024, or all there are.
        batch_size: None takes the config's.
        meters: as `meters.build_meters`; None measures both at their usual cost.
        batch_norm: 'eval' or 'train', see `fixed_loss.steady`.
        device: None takes a GPU where there is one.
        options: KEY=VALUE, over the config's own.
    Returns:
        `spaces` (weights, and scores: lambda_max, residual, loss, loss_difference, parameters), and what all depend on.
    Raises:
        FileNotFoundError: config, checkpoint or data are not there.
        ValueError: no classifier, a value that is not allowed, chunks of another run in the work dir.
    """
    config = as_config(config, options)
    loss = build_robust_loss(loss)
    chosen = build_meters(**(dict(lambda_max={}, loss_difference={}) if meters is None else meters))
    check_statistics(batch_norm)
    searched = search_of(config, str(checkpoint))
    model, _, config = load_model(config, str(checkpoint))
    pictures = split_pictures(config, split)
    size = batch_size or pictures.batch_size
    if size < 1:
        raise ValueError(f'batch_size={size} is no number of pictures; give at least 1.')
    places = choose_subset(
        len(pictures), min(1024, len(pictures)) if subset is None else subset, 'random', seed
    )
    places = np.random.default_rng(seed).permutation(places)  # a folder of classes is in order
    chunks = np.split(places, range(size, len(places), size))
    identity = dict(
        weights=stamp.weights_hash(model),
        config=stamp.config_hash(config.model.to_dict()),
        data=fingerprint(pictures.dataset),
        split=split,
        images=len(places),
        batch_size=size,
        loss=dict(type=type(loss).__name__, **vars(loss)),
        batch_norm=batch_norm,
        seed=seed,
        meters={meter.name: asdict(meter) for meter in chosen},
    )
    device = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    identity.update(device=stamp.device_name(model.to(device)), versions=stamp.versions())
    store = CellStore(Path(work_dir) / 'chunks', identity)
    kinds = [of_weights, of_scores] if searched else [of_weights]
    found, report = {}, progress or (lambda *_: None)
    for number, kind in enumerate(kinds):
        space = kind(
            load_model(config, str(checkpoint))[0].to(device) if number else model, searched
        )
        measure = _Measurement(space, loss, chosen, batch_norm, seed)
        found[space.name] = measure.run(
            pictures,
            chunks,
            store,
            lambda what, done, n=number: report(
                what, n * len(chunks) + done, len(kinds) * len(chunks)
            ),
        )
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


def split_pictures(config: Config, split: str) -> LabelledImages:
    """The training or test pictures of a config, both as the test pipeline gives them.

    Raises:
        ValueError: another split, or a config without it.
    """
    if split not in SPLITS:
        raise ValueError(f'split={split!r} is unknown; choose {" or ".join(map(repr, SPLITS))}.')
    for name in {f'{split}_dataloader', 'test_dataloader'}:
        if not config.get(name):
            raise ValueError(f'the config has no {name}; add it, or choose the other pictures.')
    settings, test = deepcopy(config.test_dataloader), _innermost(config.test_dataloader.dataset)
    if split == 'train':
        data = _innermost(deepcopy(config.train_dataloader.dataset))
        settings.dataset = dict(data, pipeline=test.get('pipeline', []))
    return LabelledImages(RebuildRunner.build_dataloader(settings))


def search_of(config: Config, checkpoint: str) -> dict | None:
    """What a checkpoint of a running search holds: recipe, scores and the host's numbers; None for any other."""
    saved = read_checkpoint(checkpoint).get('robust_prune') or {}
    if saved.get('stage') != 'search' or saved.get('raw') is None:
        return None
    if config.get('robust_prune') is None:
        raise ValueError(
            f"'{checkpoint}' holds a search and the config has no robust_prune; give the config it was trained "
            'with.'
        )
    return dict(recipe=build_recipe(config.robust_prune), state=saved['raw'], host=saved['search'])


def _innermost(dataset: Any) -> Any:
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    return dataset


@dataclass
class Space:
    """What is moved: its name, the network, the tensors, what they select, and what to say of them."""

    name: str
    model: nn.Module
    params: list[Tensor]
    masks: Masks | None
    record: dict[str, Any]


def of_weights(model: nn.Module, searched: Mapping[str, Any] | None = None) -> Space:
    """The weights of convolution and linear layers; those that are exactly zero are held, as pruned ones."""
    layers = weighted_layers(model)
    masks = {name: layer.weight != 0 for name, layer in layers.items()}
    keep_only(model, {name: mask for name, mask in masks.items() if mask.any() and not mask.all()})
    params = [
        layer.parametrizations.weight.original if is_parametrized(layer, 'weight') else layer.weight
        for name, layer in layers.items()
        if masks[name].any()
    ]
    return Space(
        'weights',
        model,
        params,
        None,
        dict(parameters=sum(int(mask.sum()) for mask in masks.values())),
    )


def of_scores(model: nn.Module, searched: Mapping[str, Any]) -> Space:
    """The scores of a search, as `search_of` found it."""
    search = searched['recipe'].build_host().attach(model)
    model.load_state_dict(searched['state'])
    search.load_state_dict(searched['host'])
    params = search.score_parameters()
    return Space(
        'scores',
        model,
        params,
        search.masks,
        dict(parameters=sum(one.numel() for one in params), removed=search.ratio()),
    )


@dataclass
class _Measurement:
    """Every meter on every batch of one space."""

    space: Space
    loss: RobustLoss
    meters: Sequence[Meter]
    batch_norm: str
    seed: int

    def run(
        self,
        pictures: LabelledImages,
        chunks: Sequence[np.ndarray],
        store: CellStore,
        progress: Any,
    ) -> dict[str, Any]:
        """Measure the batches that are missing; the means over all of them."""
        cells = [(self.space.name, number) for number in range(len(chunks))]
        missing = [number for number, cell in enumerate(cells) if not store.read([cell])]
        for number, (x, y) in zip(
            missing, pictures.batches([chunks[i].tolist() for i in missing]), strict=True
        ):
            progress(f'{self.space.name}, batch {number + 1} of {len(chunks)}', number)
            store.write(cells[number], self._batch(x, y, number))
        progress('done', len(chunks))
        records = list(store.read(cells).values())
        return dict(
            self.space.record,
            **{key: value for meter in self.meters for key, value in meter.mean(records).items()},
        )

    def _batch(self, x: Tensor, y: Tensor, number: int) -> dict[str, Any]:
        device = next(self.space.model.parameters()).device
        with steady(self.space.model, self.batch_norm, self.seed + number):
            one = _fixed(pixel_classifier(self.space.model), self.loss, x.to(device), y.to(device))
            return {
                key: value
                for meter in self.meters
                for key, value in meter(one, self.space.params, self.space.masks).items()
            }


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
