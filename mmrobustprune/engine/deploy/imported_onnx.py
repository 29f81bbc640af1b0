"""An ONNX file under a config, so that all tools evaluate it as it is."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.config import Config

from mmrobustprune.engine.bridge.config import formatted, load_config, model_of
from mmrobustprune.engine.pruning.artifacts import HERE, OURS
from mmrobustprune.models.onnx_classifier import OnnxClassifier
from mmrobustprune.records.files import replacing, write_file

NETWORK = 'network.onnx'


def import_onnx(config: str, file: str, out: Path) -> None:
    """Write network.onnx, pruned.py and pruned.pth into a folder.

    Args:
        config: of the data, the evaluation and the normalisation that the file expects.
        file: a classifier, see `models.onnx_classifier.OnnxClassifier`.
        out: the folder.
    Raises:
        FileNotFoundError: no such file.
        ValueError: it cannot be run.
    """
    given = load_config(config)
    model = model_of(given)
    preprocessor = model.get('data_preprocessor') or given.get('data_preprocessor')
    network = OnnxClassifier(file)
    plain = {key: value for key, value in given.to_dict().items() if key not in OURS}
    plain['model'] = dict(
        type='mmrobustprune.OnnxClassifier', file=NETWORK, data_preprocessor=preprocessor
    )
    plain.update(load_from=None, resume=False)
    text = formatted(Config(plain)).replace(f"'{NETWORK}'", f"{HERE}{NETWORK}'")
    out.mkdir(parents=True, exist_ok=True)
    write_file(out / NETWORK, Path(file).read_bytes())
    write_file(out / 'pruned.py', text.encode())
    with replacing(out / 'pruned.pth', alone=True) as part:
        torch.save(dict(meta=dict(source=Path(file).name), state_dict=network.state_dict()), part)
