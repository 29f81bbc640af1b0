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
from mmrobustprune.dependency.recording import Forward
from mmrobustprune.engine.bridge.checkpoint import (
    load_model,
    structure_of,
    write_structure,
)
from mmrobustprune.engine.bridge.config import formatted, test_size
from mmrobustprune.engine.bridge.model import example_of_shape, is_two_stage, tensor_forward
from mmrobustprune.engine.pruning import artifacts
from mmrobustprune.grouped_kernels import export_forms
from mmrobustprune.models.pruned import pruned_model_config
from mmrobustprune.records.files import replacing, write_file
from mmrobustprune.structure.record import Structure, save_structure

ALLOWED = 1e-4  # of an output's greatest value, between the network and its ONNX file
DECODING = dict(
    classifier='one tensor (N, classes): logits; softmax gives probabilities.',
    detector="the head's raw outputs, level by level, as `model(inputs, mode='tensor')` gives "
    'them; anchors or points, box coding and non-maximum suppression are those of the head named '
    'in `head`.',
)


def export_checkpoint(
    config: Config,
    checkpoint: str,
    out: Path,
    form: str = 'grouped',
    size: tuple[int, int] | None = None,
    forward: Forward = tensor_forward,
) -> tuple[nn.Module, dict]:
    """Write model.py and model.pth for stock tools, and structure.json where channels went.

    Args:
        config: of the checkpoint.
        checkpoint: dense or pruned weights.
        out: folder.
        form: of grouped-kernel layers, see `grouped_kernels.export_forms`; where all become dense
            ones with zeros the config is the dense architecture's.
        size: input (H, W) in pixels on which form='fastest' is measured; None takes the test
            pipeline's.
        forward: what is measured.

    Returns:
        The model and the checkpoint's meta.

    Raises:
        FileNotFoundError: no such checkpoint.
        ValueError: its weights are not this network's, or no such form.
    """
    model, meta, config = load_model(config, checkpoint)
    structure = structure_of(meta)
    if structure is not None and _has_grouped_kernels(model):
        example = None
        if form == 'fastest':
            example = example_of_shape(model, *(size or test_size(config)), forward)
        structure = export_forms(model, structure, form, example, forward)
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
    text = formatted(plain)
    keep['cfg'] = text
    write_structure(keep, structure)
    if structure is not None:
        save_structure(out / 'structure.json', structure)
    write_file(out / 'model.py', text.encode())
    with replacing(out / 'model.pth', alone=True) as part:
        torch.save(dict(meta=keep, state_dict=model.state_dict()), part)
    return model, meta


def _has_grouped_kernels(model: nn.Module) -> bool:
    return any(isinstance(module, GroupedKernelConv2d) for module in model.modules())


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

    def __init__(self, model: nn.Module, samples: list, call: Forward = tensor_forward) -> None:
        super().__init__()
        self.model = model
        self.samples = samples
        self.call = call

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        example = dict(inputs=inputs, data_samples=self.samples)
        return tuple(flatten(self.call(self.model, example)))


def flatten(outputs: Any) -> list[Tensor]:
    """Nested tensors in reading order."""
    if isinstance(outputs, Tensor):
        return [outputs]
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    if not isinstance(outputs, (list, tuple)):
        return []
    flat = []
    for one in outputs:
        flat += flatten(one)
    return flat


def export_onnx(
    model: nn.Module,
    size: tuple[int, int],
    path: Path,
    meta: dict | None = None,
    forward: Forward = tensor_forward,
) -> float:
    """Write ONNX at a fixed input size and check it against onnxruntime.

    Args:
        model: in eval mode.
        size: input (H, W) in pixels.
        path: of the file.
        meta: the checkpoint's, for the classes.
        forward: what the file computes.

    Returns:
        The greatest difference of an output, relative to that output's greatest value.

    Raises:
        ValueError: the network cannot be exported, or the file computes something else.
    """
    if forward is tensor_forward and is_two_stage(model):
        raise ValueError(
            f'{type(model).__name__} selects boxes inside the network, which plain ONNX does not '
            'hold; export it with mmdeploy, or pass --no-onnx for config and weights.'
        )
    example = example_of_shape(model, *size, forward)
    wrapped = RawOutputs(model, example['data_samples'], forward).eval()
    inputs = example['inputs']
    with torch.no_grad():
        expected = wrapped(inputs)
    kind = 'classifier' if len(expected) == 1 and expected[0].ndim == 2 else 'detector'
    names = ['logits'] if kind == 'classifier' else [f'output_{i}' for i in range(len(expected))]
    _write_onnx(wrapped, inputs, names, path)
    described = dict(
        kind=kind,
        outputs=names,
        decoding=DECODING[kind],
        head=type(_head(model)).__name__,
        input=dict(size=size, layout='NCHW', **_normalisation(model, inputs.shape[1])),
        dataset=artifacts.plain_types((meta or {}).get('dataset_meta', {})),
    )
    _describe(path, described)
    try:
        error = _onnx_error(path, inputs, expected)
    except Exception as problem:  # onnxruntime's are of no common class
        path.unlink()
        raise ValueError(
            f'onnxruntime does not run the ONNX file of {type(model).__name__} '
            f'({_first_line(problem)}); mmdeploy may bring its operators, or pass --no-onnx.'
        ) from problem
    if not error <= ALLOWED:
        path.unlink()
        raise ValueError(
            f'the ONNX file of {type(model).__name__} differs from the network by {error:.1e} '
            f'(allowed {ALLOWED:.0e}); use the config and the weights beside it.'
        )
    return error


def _write_onnx(wrapped: RawOutputs, inputs: Tensor, names: list[str], path: Path) -> None:
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
        path.unlink(missing_ok=True)
        raise ValueError(
            f'{type(wrapped.model).__name__} cannot be written as ONNX ({_first_line(error)}); '
            'mmdeploy may know its operators, or pass --no-onnx.'
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _describe(path: Path, described: dict[str, Any]) -> None:
    """Put what a reader of the file must know into its metadata, as JSON."""
    import onnx

    file = onnx.load(str(path))
    onnx.helper.set_model_props(file, {key: json.dumps(value) for key, value in described.items()})
    onnx.save(file, str(path))


def _onnx_error(path: Path, inputs: Tensor, expected: tuple[Tensor, ...]) -> float:
    """max |a - b| / max(1, max |b|) of the worst output."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    errors = []
    for ours, theirs in zip(session.run(None, {'inputs': inputs.numpy()}), expected, strict=True):
        theirs = theirs.numpy()
        scale = np.abs(theirs).max(initial=1.0)
        errors.append(float(np.abs(ours - theirs).max(initial=0.0) / scale))  # it may be empty
    return max(errors)


def _head(model: nn.Module) -> nn.Module:
    """A detector's or a classifier's head, or the model itself."""
    return getattr(model, 'bbox_head', None) or getattr(model, 'head', model)


def _normalisation(model: nn.Module, count: int) -> dict[str, Any]:
    """Order of the channels, mean and std of the data_preprocessor, each None where it has none.

    Args:
        model: of mmdet or mmpretrain.
        count: channels of its images.
    """
    preprocessor = model.data_preprocessor
    mean = getattr(preprocessor, 'mean', None)
    std = getattr(preprocessor, 'std', None)
    swaps = ('_channel_conversion', 'to_rgb')  # mmdet's name and mmpretrain's
    rgb = any(getattr(preprocessor, name, False) for name in swaps)
    order = 'RGB' if rgb else 'BGR'
    return dict(
        channels=order if count == 3 else count,
        mean=None if mean is None else mean.flatten().tolist(),
        std=None if std is None else std.flatten().tolist(),
    )
