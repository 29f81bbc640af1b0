"""A trained or pruned network for others: a stock config, plain weights, and ONNX."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn

from mmrobustprune.dependency.grouped_conv import GroupedKernelConv2d
from mmrobustprune.engine.bridge.checkpoint import (
    load_model,
    structure_of,
    write_structure,
)
from mmrobustprune.engine.bridge.config import test_size
from mmrobustprune.engine.bridge.model import example_of_shape, is_two_stage, tensor_forward
from mmrobustprune.engine.pruning import artifacts
from mmrobustprune.grouped_kernels import export_forms
from mmrobustprune.models.pruned import pruned_model_config
from mmrobustprune.records.files import replacing, write_file
from mmrobustprune.structure.record import Structure, save_structure

DECODING = dict(
    classifier='one tensor (N, classes): logits; softmax gives probabilities.',
    detector="the head's raw outputs, level by level, as `model(inputs, mode='tensor')` gives them; anchors or points, box coding "
    'and non-maximum suppression are those of the head named in `head`.',
)


def export_checkpoint(
    config: Config,
    checkpoint: str,
    out: Path,
    form: str = 'grouped',
    size: tuple[int, int] | None = None,
) -> tuple[nn.Module, dict]:
    """Write model.py and model.pth for stock tools, and structure.json where the network is pruned; the model and its meta.

    Args:
        form: of grouped-kernel layers, see `grouped_kernels.export_forms`; where all become dense ones with zeros the config
            is the dense architecture's.
        size: input in pixels on which form='fastest' is measured; None takes the test pipeline's.
    """
    model, meta, config = load_model(config, checkpoint)
    structure = structure_of(meta)
    if structure is not None and any(
        isinstance(module, GroupedKernelConv2d) for module in model.modules()
    ):
        example = (
            None if form != 'fastest' else example_of_shape(model, *(size or test_size(config)))
        )
        structure = export_forms(model, structure, form, example, tensor_forward)
        config.model = with_structure(config.model, structure)
        if not structure.layers:
            structure = None
    out.mkdir(parents=True, exist_ok=True)
    keep = artifacts.plain_types(
        {key: meta[key] for key in ('dataset_meta', 'seed', 'epoch', 'iter') if key in meta}
    )
    plain = Config(
        {key: value for key, value in config.to_dict().items() if key not in artifacts.OURS}
    )
    plain.update(load_from=None, resume=False)
    text = plain.pretty_text
    keep['cfg'] = text
    write_structure(keep, structure)
    if structure is not None:
        save_structure(out / 'structure.json', structure)
    write_file(out / 'model.py', text.encode())
    with replacing(out / 'model.pth') as part:
        torch.save(dict(meta=keep, state_dict=model.state_dict()), part)
    return model, meta


def with_structure(model: dict, structure: Structure) -> dict:
    """The model dict under another record; under an empty one the dense architecture itself."""
    if structure.layers:
        return pruned_model_config(model, structure)
    dense = dict(model['architecture'])
    if model.get('data_preprocessor') is not None:
        dense['data_preprocessor'] = model['data_preprocessor']
    return dense


class RawOutputs(nn.Module):
    """A model whose outputs are a flat tuple of tensors, for tracing."""

    def __init__(self, model: nn.Module, samples: list):
        super().__init__()
        self.model, self.samples = model, samples

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(
            flatten(tensor_forward(self.model, dict(inputs=inputs, data_samples=self.samples)))
        )


def flatten(outputs: Any) -> list[Tensor]:
    """Nested tensors in reading order."""
    if isinstance(outputs, Tensor):
        return [outputs]
    items = (
        outputs.values()
        if isinstance(outputs, dict)
        else outputs
        if isinstance(outputs, (list, tuple))
        else ()
    )
    return [tensor for item in items for tensor in flatten(item)]


def export_onnx(
    model: nn.Module, size: tuple[int, int], path: Path, meta: dict | None = None
) -> float:
    """Write ONNX at a fixed input size (pixels) and check it against onnxruntime.

    Returns:
        The greatest difference of an output, relative to that output's greatest value.

    Raises:
        ValueError: the network cannot be exported, or the file computes something else (over 1e-4).
    """
    import onnx
    import onnxruntime

    if is_two_stage(model):
        raise ValueError(
            f'{type(model).__name__} selects boxes inside the network, which plain ONNX does not hold; export it with mmdeploy, or '
            'pass --no-onnx for config and weights.'
        )
    example = example_of_shape(model, *size)
    wrapped = RawOutputs(model, example['data_samples']).eval()
    inputs = example['inputs']
    with torch.no_grad():
        expected = wrapped(inputs)
    kind = 'classifier' if len(expected) == 1 and expected[0].ndim == 2 else 'detector'
    names = ['logits'] if kind == 'classifier' else [f'output_{i}' for i in range(len(expected))]
    try:
        torch.onnx.export(
            wrapped,
            (inputs,),
            str(path),
            input_names=['inputs'],
            output_names=names,
            dynamo=False,
            opset_version=17,
        )
    except Exception as error:  # whatever the exporter meets, the user needs one sentence
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        path.unlink(missing_ok=True)
        raise ValueError(
            f'{type(model).__name__} cannot be written as ONNX ({reason}); mmdeploy may know its operators, or pass '
            '--no-onnx.'
        ) from error
    file = onnx.load(str(path))
    onnx.helper.set_model_props(
        file,
        {
            key: json.dumps(value)
            for key, value in dict(
                kind=kind,
                outputs=names,
                decoding=DECODING[kind],
                head=type(
                    getattr(model, 'bbox_head', None) or getattr(model, 'head', model)
                ).__name__,
                input=dict(size=size, layout='NCHW', **_normalisation(model)),
                dataset=artifacts.plain_types((meta or {}).get('dataset_meta', {})),
            ).items()
        },
    )
    onnx.save(file, str(path))
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    given = session.run(None, {'inputs': inputs.numpy()})
    error = max(
        float(np.abs(g - e.numpy()).max() / max(1.0, float(e.abs().max())))
        for g, e in zip(given, expected, strict=True)
    )
    if not error <= 1e-4:
        path.unlink()
        raise ValueError(
            f'the ONNX file of {type(model).__name__} differs from the network by {error:.1e} (allowed 1e-4).'
        )
    return error


def _normalisation(model: nn.Module) -> dict:
    pre = model.data_preprocessor
    mean, std = getattr(pre, 'mean', None), getattr(pre, 'std', None)
    channels = (
        'RGB'
        if getattr(pre, '_channel_conversion', False) or getattr(pre, 'to_rgb', False)
        else 'BGR'
    )
    return dict(
        channels=channels,
        mean=None if mean is None else mean.flatten().tolist(),
        std=None if std is None else std.flatten().tolist(),
    )
