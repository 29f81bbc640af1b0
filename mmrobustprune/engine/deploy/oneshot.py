"""One-shot surgery of a trained checkpoint: what `tools/prune.py` does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import nn

from mmrobustprune.cost.count import RULES, Cost, count, total
from mmrobustprune.dependency.grouped_conv import GroupedKernelConv2d
from mmrobustprune.dependency.kinds import produces
from mmrobustprune.dependency.recording import Forward
from mmrobustprune.engine.bridge.checkpoint import load_model, structure_of
from mmrobustprune.engine.bridge.model import example_of_shape
from mmrobustprune.engine.grouped.prune import prune_by_recipe
from mmrobustprune.engine.pruning import artifacts
from mmrobustprune.engine.pruning.forward import structure_forward
from mmrobustprune.grouped_kernels import Decision
from mmrobustprune.naming import unknown
from mmrobustprune.recipes.build import RECIPES, build_recipe
from mmrobustprune.recipes.facts import Facts
from mmrobustprune.recipes.gradual import Recipe
from mmrobustprune.recipes.grouped import GroupedKernelRecipe
from mmrobustprune.records.files import write_file
from mmrobustprune.records.stamp import command, commit
from mmrobustprune.scores import build_score
from mmrobustprune.structure.record import Structure
from mmrobustprune.surgery import prune_channels
from mmrobustprune.surgery.followed import trace

from .statistics import After, after_surgery
from .weighing import weighing_loss

Tell = Callable[[str], Any]  # gets a line when something is done


@dataclass(frozen=True)
class Surgery:
    """What was removed, and why.

    Attributes:
        structure: the record.
        unprunable: layer -> why it is as before.
        why: for the reader, what decided.
        files: name -> what else goes beside the record, as JSON.
    """

    structure: Structure
    unprunable: Mapping[str, str]
    why: str
    files: Mapping[str, Any] = field(default_factory=dict)


def remove_channels(
    model: nn.Module, example: Any, recipe: Recipe, tell: Tell, config: Config
) -> Surgery:
    """Remove channels, the least worth first."""
    forward = structure_forward(recipe.forward, model)
    found = trace(model, example, forward, recipe.ignore, recipe.attention)
    structure = prune_channels(
        model,
        example,
        recipe.target,
        build_score(recipe.score),
        recipe.ignore,
        recipe.budget,
        recipe.scope,
        min_keep=recipe.min_keep,
        round_to=recipe.round_to,
        forward=forward,
        ratios=recipe.ratios,
        normalise=recipe.normalise,
        per=recipe.per,
        weigh=recipe.weigh,
        macs=recipe.macs,
        attention=recipe.attention,
        loss=weighing_loss(config, recipe),
        found=found,
    )
    return Surgery(structure, found.unprunable, found.explain())


def remove_kernels(
    model: nn.Module, example: Any, recipe: GroupedKernelRecipe, tell: Tell, config: Config
) -> Surgery:
    """Remove grouped kernels, as many in each chosen layer."""
    decisions: list[Decision] = []

    def note(one: Decision) -> None:
        decisions.append(one)
        tell(f'{one.number}/{one.total} {one.layer}: {one.seconds:.1f} s')

    structure = prune_by_recipe(model, example, recipe, note)
    unprunable = {
        name: f'not chosen by layers={recipe.layers!r}'
        for name, layer in model.named_modules()
        if produces(layer) and not isinstance(layer, GroupedKernelConv2d)
    }
    why = '\n'.join(one.explain() for one in decisions)
    files = {'decisions.json': [one.to_dict() for one in decisions]}
    return Surgery(structure, unprunable, why, files)


@dataclass(frozen=True)
class Method:
    """A way to prune at once.

    Attributes:
        recipe: the fields it starts from, as in `robust_prune`.
        options: further fields that may be set.
        prune: prunes a model in place.
        facts: its checklist.
    """

    recipe: Mapping[str, Any]
    options: tuple[str, ...]
    prune: Callable[[nn.Module, Any, Any, Tell, Config], Surgery]
    facts: Facts


def _channels(
    score: Mapping[str, Any], paper: str, setup: str = '', weigh: str = 'reads'
) -> Method:
    recipe = dict(recipe='magnitude', score=score, weigh=weigh)
    ranking = ('budget', 'scope', 'normalise', 'per', 'weigh', 'macs', 'min_keep', 'round_to')
    options = (*ranking, 'ignore', 'ratios', 'attention', 'forward', 'recalibrate')
    return Method(recipe, options, remove_channels, Facts(paper, setup=setup))


def _kernels(recipe: str) -> Method:
    options = (
        'groups',
        'layers',
        'part',
        'search',
        'grouping',
        'pointwise',
        'snapshots',
        'snapshot_epochs',
        'ignore',
        'forward',
        'recalibrate',
    )
    return Method(dict(recipe=recipe), options, remove_kernels, RECIPES[recipe].facts)


METHODS = dict(
    magnitude=_channels(
        dict(type='Magnitude', p=2, relative=True), 'Fang et al., CVPR 2023', weigh='scores'
    ),
    l1=_channels(
        dict(type='Magnitude', p=1, relative=True),
        'Li et al., ICLR 2017',
        'norms of all coupled tensors, not of own filters alone',
        'scores',
    ),
    bn=_channels(
        dict(type='BNScale'), 'Liu et al., ICCV 2017', 'without the penalty before the removal'
    ),
    fpgm=_channels(
        dict(type='FPGM'), 'He et al., CVPR 2019', 'removed at once, not by masks that may revive'
    ),
    random=_channels(dict(type='Random'), 'a control'),
    smooth_mix=_channels(
        dict(type='SmoothMix'), 'Zhong et al., NeurIPS 2023, C.1.3', 'removed at once, not as SFP'
    ),
    sr_gkp=_kernels('sr_gkp'),
    sr_gkp_all=_kernels('sr_gkp_all'),
    tmi_gkp=_kernels('tmi_gkp'),
)


def dense_cost(model: nn.Module, example: dict, forward: Forward) -> Cost:
    """What a network costs before the surgery; its first forward pass.

    Raises:
        ValueError: the pass fails.
    """
    try:
        return count(model, example, forward)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as problem:
        height, width = example['inputs'].shape[-2:]
        raise ValueError(
            f'the model fails on an image of {height} x {width} pixels '
            f'({str(problem).splitlines()[0]}); give an example input and a forward callable that '
            "it accepts (in a config robust_prune.forward='package.module:function')."
        ) from problem


def _not_at_once(method: str) -> ValueError:
    """The error for a method that does not prune at once, without data."""
    if method not in RECIPES:
        return unknown('method', method, METHODS)
    data = RECIPES[method].facts.data
    needs = 'is one of a training' if data == 'none' else f'needs data ({data})'
    return ValueError(
        f"method '{method}' {needs}, and this prunes a checkpoint at once; train with "
        f"robust_prune=dict(recipe='{method}', ...), or choose among {', '.join(METHODS)}."
    )


class OneShot:
    """A checkpoint, pruned in memory; `write` puts it on disk.

    Args:
        config: of the dense network.
        checkpoint: its weights.
        size: input in pixels, (H, W).
        method: a name in METHODS.
        target: fraction removed.
        tell: gets a line per finished step of a long search.
        rule: a name in `cost.RULES` by which parameters and MACs are counted as well; '' for none.
        options: fields of the method's recipe.

    Attributes:
        dense, pruned: cost of the network before and after, for one image of `size`.
        surgery: what was done, and why.
        structure: the record.
        report: what else cost.json says.

    Raises:
        ValueError: an option of another method, or a network that is pruned already, cannot be
            run or traced, or cannot meet the target.
    """

    def __init__(
        self,
        config: Config,
        checkpoint: str,
        size: tuple[int, int],
        method: str,
        target: float,
        tell: Tell = lambda line: None,
        rule: str = '',
        **options: Any,
    ) -> None:
        if method not in METHODS:
            raise _not_at_once(method)
        if rule and rule not in RULES:
            raise unknown('rule', rule, RULES)
        chosen = METHODS[method]
        for name in options:
            if name not in chosen.options:
                raise ValueError(
                    f"method '{method}' has no option {name}; leave it away, or choose among "
                    f'target, {", ".join(chosen.options)}.'
                )
        recipe = build_recipe(dict(chosen.recipe, target=target, **options))
        self.recipe = recipe
        self.user_cfg = config
        self.checkpoint = checkpoint
        self.model, self.meta, _ = load_model(config, checkpoint)
        structure = structure_of(self.meta)
        if structure is not None:
            raise ValueError(
                f"'{checkpoint}' is pruned already ({structure.summary()}); prune from the dense "
                'checkpoint.'
            )
        forward = structure_forward(recipe.forward, self.model)
        example = example_of_shape(self.model, *size, forward)
        self.dense = dense_cost(self.model, example, forward)
        before = self._totals(rule, example, forward, pruned=False)
        self.surgery = chosen.prune(self.model, example, recipe, tell, config)
        self.structure = self.surgery.structure
        self.structure.method = f'one-shot {method}, {self.structure.method}'
        self.pruned: Cost = count(self.model, example, forward)
        self.report: dict[str, Any] = {}
        if rule:
            after = self._totals(rule, example, forward, pruned=True)
            self.report['rules'] = {rule: dict(dense=before, pruned=after)}

    def _totals(self, rule: str, example: Any, forward: Forward, pruned: bool) -> dict[str, int]:
        return total(self.model, example, rule, forward, pruned) if rule else {}

    def recalibrate(
        self, images: Path | None = None, insist: bool = False, measure: int = 0
    ) -> dict[str, Any]:
        """Compute BatchNorm statistics anew as the recipe says; the rest as in `After`.

        Returns:
            As `after_surgery`; cost.json says it, too.
        """
        asked = After(self.recipe.recalibrate, images, insist, measure)
        self.report |= after_surgery(self.model, self.user_cfg, self.checkpoint, asked)
        return self.report

    def write(self, out: Path) -> list[str]:
        """Write record, config, weights, cost and what else the method has to say.

        Args:
            out: folder.

        Returns:
            The files' names.
        """
        text = artifacts.stock_config(self.user_cfg, self.structure)
        artifacts.write_config(text, self.structure, str(out))
        cost = dict(
            dense=vars(self.dense),
            pruned=vars(self.pruned),
            unprunable=self.surgery.unprunable,
            **self.report,
            command=command(),
            commit=commit(),
        )
        reports = {'cost.json': cost, **self.surgery.files}
        for name, content in reports.items():
            write_file(out / name, json.dumps(content, indent=1).encode())
        meta = {key: self.meta[key] for key in ('dataset_meta', 'seed') if key in self.meta}
        artifacts.write_weights(
            self.model.state_dict(), meta, self.structure, text, out / 'pruned.pth'
        )
        return ['structure.json', 'pruned.py', 'pruned.pth', *reports]
