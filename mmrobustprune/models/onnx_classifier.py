"""A classifier that is an ONNX file, evaluated as it is by all tools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModel
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmrobustprune.records.contents import digest
from mmrobustprune.registry import MODELS

STANDARD = ('', 'ai.onnx')  # domains of operators that every runtime has
OPSET = 17  # the highest of which onnx2torch knows the usual operators
ALLOWED = 1e-3  # between the logits of the file and of the network in torch, relative


@MODELS.register_module()
class OnnxClassifier(BaseModel):
    """The logits that an ONNX file gives for images normalised as the config says.

    It cannot be trained. Its one tensor is the digest of the file, so that a checkpoint belongs to
    one file. Gradients, for attacks that need them, come from the same network in torch where
    onnx2torch is installed and loads it.

    Args:
        file: with one input (N, C, H, W) and the logits (N, classes) as first output; N may be
            fixed.
        data_preprocessor: of the config.
    Raises:
        FileNotFoundError: no such file.
        ValueError: it cannot be run, or (on the call) is not the checkpoint's, gives no logits, or
            no gradients.
    """

    def __init__(self, file: str, data_preprocessor: Any = None) -> None:
        super().__init__(data_preprocessor)
        self.file = Path(file)
        if not self.file.is_file():
            raise FileNotFoundError(f"ONNX file '{file}' is not there; give the path of one.")
        self.session = _session(self.file)
        self.digest = nn.Parameter(self.own_digest(), requires_grad=False)
        self._torch: Callable[[Tensor], Tensor] | None = None

    def own_digest(self) -> Tensor:
        """(16,) uint8 of the file's bytes."""
        return torch.tensor([*bytes.fromhex(digest(self.file.read_bytes()))], dtype=torch.uint8)

    def forward(
        self, inputs: Tensor, data_samples: Sequence[DataSample] | None = None, mode: str = 'tensor'
    ) -> Tensor | list[DataSample]:
        """Logits (N, classes) by mode='tensor', samples with scores by 'predict'."""
        if mode not in ('tensor', 'predict'):
            raise ValueError(
                f"an ONNX file knows no mode '{mode}' and cannot be trained; import its weights as "
                'a state_dict to train on.'
            )
        logits = self._logits(inputs)
        if mode == 'tensor':
            return logits
        samples = data_samples or [DataSample() for _ in logits]
        for sample, score in zip(samples, logits.softmax(1), strict=True):
            sample.set_pred_score(score).set_pred_label(score.argmax(0, keepdim=True))
        return list(samples)

    def _logits(self, inputs: Tensor) -> Tensor:
        if not torch.equal(self.digest.cpu(), self.own_digest()):
            raise ValueError(
                f'{self.file} is not the file that the checkpoint was made of; import it again.'
            )
        if inputs.requires_grad and torch.is_grad_enabled():
            if self._torch is None:
                self._torch = self._in_torch(inputs.detach())
            return self._torch(inputs)
        return torch.from_numpy(self._run(inputs.detach().cpu().float().numpy())).to(inputs)

    def _in_torch(self, inputs: Tensor) -> nn.Module:
        """The same network in torch, which gives the logits of the file for these images."""
        found = _converted(self.file).to(inputs.device)
        with torch.no_grad():
            expected = self._logits(inputs)
            error = float((found(inputs) - expected).abs().max() / expected.abs().max().clamp(1))
        if not error <= ALLOWED:
            raise ValueError(
                f'what onnx2torch makes of {self.file} gives other logits (relative difference '
                f'{error:.1e}, allowed {ALLOWED:.0e}); attack the file with tools/attack.py '
                '--preset black-box, which needs no gradients.'
            )
        return found

    def _run(self, images: np.ndarray) -> np.ndarray:
        """As many at a time as the file takes, the last part filled up."""
        entry = self.session.get_inputs()[0]
        size = entry.shape[0] if isinstance(entry.shape[0], int) else len(images)
        found = []
        for start in range(0, len(images), size):
            part = images[start : start + size]
            filled = np.concatenate([part, np.repeat(part[-1:], size - len(part), 0)])
            try:
                out = self.session.run(None, {entry.name: filled})[0]
            except Exception as error:  # of the runtime, which has no class for it
                raise ValueError(
                    f'{self.file} takes {entry.shape} and was given {list(filled.shape)} '
                    f'({_line(error)}); give --shape and a test pipeline of its size.'
                ) from None
            found.append(out[: len(part)])
        logits = np.concatenate(found)
        if logits.ndim != 2:
            raise ValueError(
                f'{self.file} gives {list(logits.shape)} and no logits (N, classes); give the file '
                'of a classifier.'
            )
        return logits


def _session(file: Path) -> Any:
    """The file in onnxruntime.

    Raises:
        ValueError: it is no ONNX file, or has operators that the runtime does not know.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(str(file), options, ['CPUExecutionProvider'])
    except Exception as error:  # of the runtime, which has no class for it
        others = ', '.join(_other_domains(file)) or 'none but the standard ones'
        raise ValueError(
            f'{file} cannot be run by onnxruntime ({_line(error)}); domains of its '
            f'operators: {others}. Export it again with standard operators.'
        ) from None


def _other_domains(file: Path) -> list[str]:
    """Domains of operators that are not ONNX's own; none of a file that cannot be read."""
    import onnx

    try:
        nodes = onnx.load(str(file), load_external_data=False).graph.node
    except Exception:  # no ONNX file at all
        return []
    return sorted({node.domain for node in nodes} - {*STANDARD})


def _converted(file: Path) -> nn.Module:
    """The network in torch, by onnx2torch.

    Raises:
        ValueError: that is not installed, or does not load the file.
    """
    try:
        from onnx2torch import convert
    except ImportError:
        raise ValueError(
            f'{file} gives no gradients, as no ONNX file does; attack it with tools/attack.py '
            '--preset black-box, or make a torch network of it: pip install onnx2torch.'
        ) from None
    try:
        return convert(_lowered(file)).eval().requires_grad_(False)
    except Exception as error:  # of operators that it does not know
        raise ValueError(
            f'onnx2torch does not load {file} ({_line(error)}); attack it with tools/attack.py '
            f'--preset black-box, or export it by torch.onnx.export(..., opset_version={OPSET}, '
            'dynamo=False).'
        ) from None


def _lowered(file: Path) -> Any:
    """The file, in the operators of `OPSET` where it has later ones that can be written so."""
    import onnx

    model = onnx.load(str(file))
    versions = [one.version for one in model.opset_import if one.domain in STANDARD]
    if max(versions, default=0) <= OPSET:
        return model
    try:
        return onnx.version_converter.convert_version(model, OPSET)
    except Exception:  # of the converter: onnx2torch says what it does not know
        return model


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
