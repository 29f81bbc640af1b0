"""What mmcv's compiled operators give, recorded in `recorded.npz`: inputs and outputs of each case.

`python -m tests.compat.operators.recorded` records them anew; it needs the compiled mmcv 2.1.0. It
compiles few operators for CPUs; the others' tests spell their definition out.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from mmcv import ops

FILE = Path(__file__).with_name('recorded.npz')
ROIS = [
    [0, 1.0, 2.0, 22.5, 17.0],
    [1, 3.3, 0.2, 9.9, 27.0],
    [0, -6.0, 4.0, 60.0, 19.0],
    [1, 12.0, 12.0, 13.0, 12.5],
]


def boxes(count=14):
    start = torch.rand(count, 2) * 30
    return dict(boxes=torch.cat([start, start + torch.rand(count, 2) * 30 + 2], 1))


def scored(count=14):
    return dict(boxes(count), scores=torch.rand(count))


def equally_scored():
    """Equal scores, equal boxes, boxes of whole pixels: the order of what ties."""
    where = torch.randint(0, 4, (16, 2)).float()
    return dict(
        boxes=torch.cat([where, where + torch.randint(1, 5, (16, 2))], 1),
        scores=torch.randint(1, 4, (16,)) / 4,
    )


def labelled():
    return dict(scored(), idxs=torch.randint(0, 3, (14,)))


def regions():
    return dict(input=torch.randn(2, 2, 7, 9), rois=torch.tensor(ROIS))


def convolution(groups, deform_groups, size, mask=False, bias=False):
    made = dict(
        input=torch.randn(2, 4, 5, 4),
        offset=torch.randn(2, 2 * deform_groups * 6, *size) * 1.5,
        weight=torch.randn(6, 4 // groups, 2, 3),
    )
    if mask:
        made['mask'] = torch.rand(2, deform_groups * 6, *size)
    if bias:
        made['bias'] = torch.randn(6)
    return made


def nms(offset, boxes, scores):
    dets, kept = ops.nms(boxes, scores, 0.3, offset=offset)
    return dict(dets=dets, kept=kept)


def soft_nms(method, offset, boxes, scores):
    dets, kept = ops.soft_nms(boxes, scores, 0.3, 0.5, 0.15, method, offset)
    return dict(dets=dets, kept=kept)


def batched_nms(boxes, scores, idxs):
    dets, kept = ops.batched_nms(boxes, scores, idxs, dict(type='nms', iou_threshold=0.2))
    return dict(dets=dets, kept=kept)


def nms_match(boxes, scores):
    groups = ops.nms_match(torch.cat([boxes, scores[:, None]], 1), 0.3)
    return dict(sizes=torch.tensor([len(group) for group in groups]), members=torch.cat(groups))


def roi_align(ratio, mode, aligned, input, rois):
    return trained(ops.roi_align, dict(input=input), rois, (2, 3), 0.25, ratio, mode, aligned)


def deform_conv(stride, padding, dilation, groups, deform_groups, **tensors):
    numbers = (stride, padding, dilation, groups, deform_groups)
    return trained(ops.deform_conv2d, tensors, *numbers)


def modulated(stride, padding, dilation, groups, deform_groups, **tensors):
    tensors = {name: tensors.get(name) for name in ('input', 'offset', 'mask', 'weight', 'bias')}
    numbers = (stride, padding, dilation, groups, deform_groups)
    return trained(ops.modulated_deform_conv2d, tensors, *numbers)


def trained(function, leaves, *rest):
    """The output and the gradients of the leaves for a fixed gradient of the output."""
    leaves = {
        name: None if leaf is None else leaf.detach().clone().requires_grad_()
        for name, leaf in leaves.items()
    }
    output = function(*leaves.values(), *rest)
    gradient = torch.arange(output.numel()).to(output).cos().view(output.shape)
    output.backward(gradient)
    found = {f'grad_{name}': leaf.grad for name, leaf in leaves.items() if leaf is not None}
    return dict(found, output=output.detach())


CASES = {  # name -> what makes the inputs, what runs
    'nms': (scored, partial(nms, 0)),
    'nms offset 1': (scored, partial(nms, 1)),
    'nms equal': (equally_scored, partial(nms, 0)),
    'nms equal offset 1': (equally_scored, partial(nms, 1)),
    'batched_nms': (labelled, batched_nms),
    'nms_match': (scored, nms_match),
    'nms_match equal': (equally_scored, nms_match),
    'deform_conv': (partial(convolution, 1, 1, (6, 4)), partial(deform_conv, 1, 1, 1, 1, 1)),
    'deform_conv groups': (
        partial(convolution, 2, 2, (3, 2)),
        partial(deform_conv, 2, (1, 2), (1, 2), 2, 2),
    ),
    'modulated_deform_conv': (
        partial(convolution, 1, 2, (6, 4), mask=True),
        partial(modulated, 1, 1, 1, 1, 2),
    ),
    'modulated_deform_conv bias': (
        partial(convolution, 2, 1, (3, 2), mask=True, bias=True),
        partial(modulated, 2, (1, 2), (1, 2), 2, 1),
    ),
}
CASES |= {
    f'soft_nms {method} {made.__name__} {offset}': (made, partial(soft_nms, method, offset))
    for method, made, offset in [
        ('naive', scored, 0),
        ('linear', scored, 1),
        ('linear', equally_scored, 0),
        ('gaussian', scored, 0),
        ('gaussian', equally_scored, 1),
    ]
}
CASES |= {
    f'roi_align {mode} {ratio} {"aligned" if aligned else "legacy"}': (
        regions,
        partial(roi_align, ratio, mode, aligned),
    )
    for mode, ratio, aligned in [
        ('avg', 0, True),
        ('avg', 2, False),
        ('max', 0, True),
        ('max', 2, False),
    ]
}


def recorded(name):
    """Inputs and outputs of a case, as tensors."""
    with np.load(FILE) as arrays:
        found = {key: torch.from_numpy(arrays[key]) for key in arrays if key.startswith(f'{name}/')}
    named = {tuple(key.split('/')[1:]): tensor for key, tensor in found.items()}
    inputs = {name: tensor for (kind, name), tensor in named.items() if kind == 'in'}
    outputs = {name: tensor for (kind, name), tensor in named.items() if kind == 'out'}
    return inputs, outputs


def record():
    arrays = {}
    for seed, (name, (make, run)) in enumerate(CASES.items()):
        torch.manual_seed(seed)
        inputs = make()
        outputs = run(**{key: tensor.clone() for key, tensor in inputs.items()})
        arrays |= {f'{name}/in/{key}': tensor.numpy() for key, tensor in inputs.items()}
        arrays |= {f'{name}/out/{key}': tensor.numpy() for key, tensor in outputs.items()}
    np.savez_compressed(FILE, **arrays)


if __name__ == '__main__':
    from mmcv import _ext

    if not hasattr(_ext, '__file__'):
        raise SystemExit('recording needs the compiled mmcv: bash tools/setup_env.sh --with-mmcv')
    record()
