"""The base of our Runners, which builds a pruned network where the checkpoint is one."""

from __future__ import annotations

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import BaseLoop, Runner
from torch import nn

from mmrobustprune.structure.record import Structure

from .checkpoint import (
    META,
    load_weights,
    read_checkpoint,
    refuse_pruned_parts,
    starting_checkpoint,
    structure_of,
    under_structure,
    write_structure,
)
from .config import model_of, plain_config
from .launch import prepare_launch

NO_TEST = 'the config has no test_dataloader, test_cfg and test_evaluator; add them.'


class RebuildRunner(Runner):
    """A Runner that reads the structure of its checkpoint before anything is built.

    Attributes:
        user_cfg: the config as it was given, or None where the Runner was built without `from_cfg`.
        structure: what the network was built to; None for a dense one.
    """

    user_cfg: Config | None = None
    structure: Structure | None = None

    @classmethod
    def from_cfg(cls, cfg: Config) -> RebuildRunner:
        """Build the Runner, with the pruned network where the checkpoint to load is pruned.

        That is `load_from`, or the latest checkpoint under `resume`.
        """
        cfg = plain_config(cfg)
        cls.check(cfg)
        given = model_of(cfg)
        user_cfg = plain_config(cfg)
        cfg = prepare_launch(cfg)
        checkpoint = starting_checkpoint(cfg)
        structure = None
        if checkpoint is not None:
            structure = structure_of(read_checkpoint(checkpoint).get('meta', {}))
        model, structure = under_structure(given, structure, checkpoint)
        if model is not given:
            cfg.model = model
            print_log(
                f'{checkpoint} is pruned ({structure.summary()}); the network is built to its '
                'structure.',
                'current',
            )
        cfg = cls.adapt(cfg, structure)
        runner = super().from_cfg(cfg)
        runner.user_cfg = user_cfg
        runner.structure = structure
        runner.register_hook(KeepStructure(), 'VERY_LOW')
        return runner

    @classmethod
    def check(cls, cfg: Config) -> None:
        """What a subclass refuses in the config before any file is looked for."""

    @classmethod
    def adapt(cls, cfg: Config, structure: Structure | None) -> Config:
        """What a subclass changes in the config before the Runner is built."""
        return cfg

    def train(self) -> nn.Module:
        """As mmengine's.

        Raises:
            ValueError: the config has nothing to train on, a part of the network would start from
                pruned weights, or a label has no output.
        """
        if self._train_loop is None:
            raise ValueError(
                'the config has no train_dataloader, train_cfg and optim_wrapper; add them.'
            )
        if self._load_from is None and not self._resume:
            refuse_pruned_parts(self.cfg.model)
        try:
            return super().train()
        except IndexError as problem:  # of the cross entropy
            if 'Target' not in str(problem):
                raise
            raise ValueError(
                f'an image has a label that the network has no output for ({problem}); give the '
                'head an output for each class, or the data set labels from 0.'
            ) from problem

    def test(self) -> dict:
        """As mmengine's.

        Raises:
            ValueError: the config has nothing to test on.
        """
        if self._test_loop is None:
            raise ValueError(NO_TEST)
        return super().test()

    def load_checkpoint(self, filename: str, *args, **kwargs) -> dict:
        """As mmengine's, but a network that is not trained now must get all of its weights.

        Raises:
            ValueError: the checkpoint is of another network.
        """
        if isinstance(self._train_loop, BaseLoop):
            return super().load_checkpoint(filename, *args, **kwargs)
        checkpoint = read_checkpoint(filename)
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        load_weights(self.model, checkpoint, filename)
        self._has_loaded = True
        self.logger.info(f'Load checkpoint from {filename}')
        return checkpoint

    @staticmethod
    def build_dataloader(dataloader, *args, **kwargs):
        """As mmengine's; data that is not there is named with the setting to change.

        Raises:
            FileNotFoundError: the data is not there.
        """
        try:
            return Runner.build_dataloader(dataloader, *args, **kwargs)
        except FileNotFoundError as error:
            dataset = _innermost(dataloader['dataset'])
            root = f' (it is {dataset["data_root"]!r})' if dataset.get('data_root') else ''
            raise FileNotFoundError(
                f'{error.filename or error} is not there, so {dataset["type"]} has no data; set '
                f'its data_root{root} to where the data lies.'
            ) from error


def _innermost(dataset: dict) -> dict:
    """The first data set inside RepeatDataset, ConcatDataset and their like."""
    inner = dataset.get('dataset') or (dataset.get('datasets') or [None])[0]
    return _innermost(inner) if isinstance(inner, dict) else dataset


class KeepStructure(Hook):
    """Writes the network's structure into every checkpoint, so that each can be loaded again."""

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        if META not in checkpoint['meta']:
            write_structure(checkpoint['meta'], built_structure(runner))


def built_structure(runner: Runner) -> Structure | None:
    """The structure that any Runner's network was built to; None for a dense network."""
    if isinstance(runner, RebuildRunner):
        return runner.structure
    model = runner.cfg.get('model')
    return under_structure(model, None, None)[1] if isinstance(model, dict) else None


def given_config(runner: Runner) -> Config:
    """The config as its user gave it to any Runner."""
    given = runner.user_cfg if isinstance(runner, RebuildRunner) else None
    return runner.cfg if given is None else given
