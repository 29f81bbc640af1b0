"""The Runner base that builds a pruned network where the checkpoint is one; PruneRunner and CorruptionRunner stand on it."""

from __future__ import annotations

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from mmrobustprune.structure.record import Structure

from .checkpoint import (
    META,
    read_checkpoint,
    starting_checkpoint,
    structure_of,
    under_structure,
    write_structure,
)
from .config import plain_config
from .launch import prepare_launch


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
        """Build the Runner; a pruned `load_from`, or a pruned latest checkpoint under `resume`, gives the pruned network."""
        cfg = plain_config(cfg)
        cls.check(cfg)
        user_cfg = plain_config(cfg)
        cfg = prepare_launch(cfg)
        checkpoint = starting_checkpoint(cfg)
        structure = None
        if checkpoint is not None:
            structure = structure_of(read_checkpoint(checkpoint).get('meta', {}))
        given = cfg.model
        model, structure = under_structure(given, structure, checkpoint)
        if model is not given:
            cfg.model = model
            print_log(
                f'{checkpoint} is pruned ({structure.summary()}); the network is built to its structure.',
                'current',
            )
        cfg = cls.adapt(cfg, structure)
        runner = super().from_cfg(cfg)
        runner.user_cfg, runner.structure = user_cfg, structure
        runner.register_hook(KeepStructure(), 'VERY_LOW')
        return runner

    @classmethod
    def check(cls, cfg: Config) -> None:
        """What a subclass refuses in the config before any file is looked for."""

    @classmethod
    def adapt(cls, cfg: Config, structure: Structure | None) -> Config:
        """What a subclass changes in the config before the Runner is built."""
        return cfg

    @staticmethod
    def build_dataloader(dataloader, *args, **kwargs):
        """As mmengine's; data that is not there is named together with the setting to change."""
        try:
            return Runner.build_dataloader(dataloader, *args, **kwargs)
        except FileNotFoundError as error:
            dataset = dataloader['dataset']
            while isinstance(
                inner := dataset.get('dataset') or (dataset.get('datasets') or [None])[0], dict
            ):
                dataset = inner  # of RepeatDataset, ConcatDataset and their like
            root = f' (it is {dataset["data_root"]!r})' if dataset.get('data_root') else ''
            raise FileNotFoundError(
                f'{error.filename or error} is not there, so {dataset["type"]} has no data; set its '
                f'data_root{root} to where the data lies.'
            ) from error


class KeepStructure(Hook):
    """Writes the structure of the network into every checkpoint, so that whoever trains it on leaves loadable ones."""

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
