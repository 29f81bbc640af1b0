"""The Runner base that builds a pruned network where the checkpoint is one; PruneRunner and CorruptionRunner stand on it."""
from __future__ import annotations

import ast
import os
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner, find_latest_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

from mmrobustprune.models.pruned import is_pruned_config, pruned_model_config, read_structure
from mmrobustprune.surgery import Structure

from .launch import prepare_launch
from .robustness import run_suite

META = 'mmrobustprune'


class RebuildRunner(Runner):
    """A Runner that reads the structure record of the checkpoint it is given before anything is built."""

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
            print_log(f'{checkpoint} is pruned ({structure.summary()}); the network is built to its structure.', 'current')
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
            while isinstance(inner := dataset.get('dataset') or (dataset.get('datasets') or [None])[0], dict):
                dataset = inner   # of RepeatDataset, ConcatDataset and their like
            root = f" (it is {dataset['data_root']!r})" if dataset.get('data_root') else ''
            raise FileNotFoundError(f"{error.filename or error} is not there, so {dataset['type']} has no data; set its "
                                    f'data_root{root} to where the data lies.') from error

    def test(self) -> dict:
        """The stock test, or the corruption suite where the config has `robust_eval`."""
        if self.cfg.get('robust_eval'):
            return run_suite(self, self.cfg.robust_eval)
        return super().test()


def under_structure(model: dict, structure: Structure | None, checkpoint: str | None) -> tuple[dict, Structure | None]:
    """A model's config pruned as the checkpoint is, where it is no PrunedModel already, and the structure that it has then.

    Raises:
        ValueError: the config's structure and the checkpoint's differ.
    """
    inner = model.get('module', model)
    if not is_pruned_config(inner):
        return model if structure is None else pruned_model_config(model, structure), structure
    own = read_structure(inner['structure'])
    if structure is not None and structure.layers != own.layers:
        raise ValueError(f"{checkpoint} has another structure ({structure.summary()}) than the config's model ({own.summary()}); "
                         'give the pruned.py that was written with it.')
    return model, own


class KeepStructure(Hook):
    """Writes the structure of the network into every checkpoint, so that whoever trains it on leaves loadable ones."""

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        if runner.structure is not None:
            checkpoint['meta'].setdefault(META, dict(structure=runner.structure.to_dict()))


def plain_config(cfg: Config | dict) -> Config:
    """A copy with every type as text (read_base configs hold classes)."""
    if isinstance(cfg, Config):
        return Config(cfg.to_dict(), filename=cfg.filename, cfg_text=cfg.text, format_python_code=cfg._format_python_code)
    return Config(cfg)


def starting_checkpoint(cfg: Config) -> str | None:
    """The checkpoint that the Runner will load or resume, or None."""
    if cfg.get('load_from'):
        return cfg.load_from
    if cfg.get('resume') and os.path.isdir(cfg.work_dir):
        return find_latest_checkpoint(cfg.work_dir)
    return None


def read_checkpoint(path: str) -> dict:
    """A checkpoint's content on the CPU; nothing in the file is run.

    Raises:
        FileNotFoundError: the file is not there.
        ValueError: it is cut short, no checkpoint, or holds more than weights and plain records.
    """
    if '://' not in path and not os.path.exists(path):
        raise FileNotFoundError(f"checkpoint '{path}' is not there; check load_from, or the path given to the tool.")
    checkpoint = CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent')   # who uses it says so
    if not isinstance(checkpoint, dict):
        raise ValueError(f"'{path}' holds a {type(checkpoint).__name__}, not a checkpoint; give a file that mmengine wrote.")
    return checkpoint


def structure_of(meta: dict) -> Structure | None:
    """The structure record in a checkpoint's meta, or in the config there of a stock training; None for a dense network."""
    record = (meta.get(META) or {}).get('structure')
    if record is None:
        record = _structure_in(meta.get('cfg'))
    return read_structure(record) if record is not None else None


def _structure_in(text: Any) -> str | None:
    """The record in a config's text where its model is a PrunedModel; nothing of it is run."""
    if not isinstance(text, str) or 'PrunedModel' not in text:
        return None
    try:
        lines = ast.parse(text).body
    except SyntaxError:
        return None
    model = next((line.value for line in lines if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == 'model'), None)
    while isinstance(model, ast.Call):   # wrappers hold the network under `module`
        fields = {word.arg: word.value for word in model.keywords}
        plain = {name: getattr(value, 'value', None) for name, value in fields.items()}
        if is_pruned_config(plain) and str(plain.get('structure')).startswith('{'):
            return plain['structure']
        model = fields.get('module')
    return None
