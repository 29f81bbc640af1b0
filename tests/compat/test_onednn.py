"""oneDNN#6035: the layers it gets wrong are never trained in channels-last order."""

import os
import platform
import subprocess
import sys

import pytest
import torch
from torch import nn

import mmrobustprune  # noqa: F401  the mend is in force from here on
from mmrobustprune.compat import onednn

LAST = torch.channels_last
TRAIN = """
import torch
import mmrobustprune
torch.set_num_threads(1)
for seed in range(40):
    torch.manual_seed(seed)
    inputs = 2 + seed % 14
    conv = torch.nn.Conv2d(inputs, 14, 1, stride=(1, 2) if seed % 2 else 2, bias=False)
    images = torch.randn(8, inputs, 14, 14).contiguous(memory_format=torch.channels_last)
    if seed % 3 == 0:
        conv = conv.to(memory_format=torch.channels_last)
    conv(images).sum().backward()
print('done')
"""


def seen(layer: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The input that the convolution operator itself kept for its gradient."""
    node = layer(images).grad_fn
    while 'Convolution' not in node.name():
        node = node.next_functions[0][0]
    return node._saved_input


@pytest.mark.parametrize('inputs', [2, 3, 7, 8, 15])
@pytest.mark.parametrize('stride', [2, (1, 2), (2, 1), (3, 3)])
@pytest.mark.parametrize('weight_last', [False, True])
def test_a_layer_of_that_kind_is_trained_in_contiguous_order(inputs, stride, weight_last):
    torch.manual_seed(0)
    conv = nn.Conv2d(inputs, 14, 1, stride=stride)
    images = torch.randn(2, inputs, 9, 9).contiguous(memory_format=LAST).requires_grad_()
    plain = nn.Conv2d(inputs, 14, 1, stride=stride)
    plain.load_state_dict(conv.state_dict())
    if weight_last:
        conv = conv.to(memory_format=LAST)

    kept = seen(conv, images)
    assert kept.stride() == (inputs * 81, 81, 9, 1)
    out = conv(images)
    assert out.is_contiguous(memory_format=LAST)
    out.square().sum().backward()

    again = images.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
    plain(again).square().sum().backward()
    torch.testing.assert_close(conv.weight.grad, plain.weight.grad)
    torch.testing.assert_close(images.grad, again.grad)


@pytest.mark.parametrize(
    'options',
    [
        dict(in_channels=16, kernel_size=1, stride=2),
        dict(in_channels=3, kernel_size=1, stride=1),
        dict(in_channels=3, kernel_size=3, stride=2),
    ],
)
def test_every_other_layer_keeps_its_order(options):
    conv = nn.Conv2d(out_channels=14, **options)
    images = torch.randn(2, conv.in_channels, 9, 9).contiguous(memory_format=LAST)
    assert seen(conv, images).is_contiguous(memory_format=LAST)


def test_inference_keeps_its_order():
    conv = nn.Conv2d(3, 14, 1, stride=2)
    images = torch.randn(2, 3, 9, 9).contiguous(memory_format=LAST)
    with torch.no_grad():
        assert not onednn.is_affected(images, conv.weight, conv.stride)
        assert conv(images).is_contiguous(memory_format=LAST)
    conv.requires_grad_(False)  # an attack asks for the gradient of the images alone
    assert not onednn.is_affected(images.requires_grad_(), conv.weight, conv.stride)


def test_a_removal_changes_what_a_layer_is():
    conv = nn.Conv2d(24, 14, 1, stride=2)
    images = torch.randn(2, 24, 9, 9).contiguous(memory_format=LAST)
    assert not onednn.is_affected(images, conv.weight, conv.stride)
    conv.weight = nn.Parameter(conv.weight[:, :5].detach().clone())
    few = images[:, :5].contiguous(memory_format=LAST)
    assert onednn.is_affected(few, conv.weight, conv.stride)
    assert seen(conv, few).is_contiguous()


@pytest.mark.parametrize('inputs', [5, 24])
def test_scripting_tracing_and_autocast_see_a_convolution(inputs):
    conv = nn.Conv2d(inputs, 14, 1, stride=2)
    images = torch.randn(2, inputs, 9, 9).contiguous(memory_format=LAST)
    expected = conv(images)
    torch.testing.assert_close(torch.jit.script(conv)(images), expected)
    torch.testing.assert_close(torch.jit.trace(conv, images)(images), expected)
    with torch.autocast('cpu', torch.bfloat16):
        out = conv(images)
    out.sum().backward()
    assert out.dtype == torch.bfloat16 and conv.weight.grad is not None


def test_a_compiled_network_stays_one_graph():
    """A break at each convolution made compiled training slower than plain training."""
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 1, stride=2))
    images = torch.randn(2, 3, 8, 8).contiguous(memory_format=LAST)
    compiled = torch.compile(network, fullgraph=True, backend='eager')
    torch.testing.assert_close(compiled(images), network(images))


@pytest.mark.parametrize('first', ['torch', 'mmrobustprune'])
def test_importing_the_package_is_enough(first):
    """Before torch or after it: a user's own channels-last model is safe without AVX-512."""
    done = subprocess.run(
        [sys.executable, '-c', f'import {first}\n{TRAIN}'],
        env=dict(os.environ, ONEDNN_MAX_CPU_ISA='AVX2'),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stdout == 'done\n', done.stderr


@pytest.mark.skipif(platform.machine() not in ('x86_64', 'AMD64'), reason='oneDNN#6035 is of x86')
def test_upstream_still_has_the_fault():
    assert onednn.is_faulty(), (
        f'oneDNN#6035 no longer shows in torch {torch.__version__}: '
        'bound the mend in compat/onednn.py.'
    )


def test_a_probe_that_hangs_shows_the_fault(monkeypatch):
    """As an abort did that waited for a lock of the heap it had damaged."""
    monkeypatch.setattr(onednn, '_PROBE', 'import time; time.sleep(60)')
    monkeypatch.setattr(onednn, 'PATIENCE', 0.5)
    assert onednn.is_faulty()


def test_a_trace_sees_the_convolutions_as_they_are_written():
    """The copies around a protected layer would hide it from the graph of the tracer."""
    from mmrobustprune.surgery import trace

    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 12, 1, stride=2), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Conv2d(12, 4, 1))
    images = torch.randn(1, 3, 8, 8).contiguous(memory_format=LAST)
    assert [group.units for group in trace(model, images).groups] == [8, 12]


@pytest.mark.parametrize('kernel, stride, width', [(3, 2, 1), (3, 3, 2), (5, 2, 1), (7, (1, 3), 2)])
@pytest.mark.parametrize('autocast', [True, False])
def test_an_input_narrower_than_the_stride_leaves_no_memory_in_gradients(
    kernel, stride, width, autocast
):
    torch.manual_seed(0)
    conv = nn.Conv2d(16, 16, kernel, stride, kernel // 2)
    images = torch.randn(4, 16, 3, width)
    exact = nn.Conv2d(16, 16, kernel, stride, kernel // 2)
    exact.load_state_dict(conv.state_dict())
    exact(images).sum().backward()
    for _ in range(5):
        conv.zero_grad()
        old = [torch.full((conv.weight.numel(),), torch.nan).bfloat16() for _ in range(20)]
        del old
        if autocast:
            with torch.autocast('cpu', torch.bfloat16):
                out = conv(images)
        else:
            conv.bfloat16()
            out = conv(images.bfloat16())
        assert out.dtype is torch.bfloat16
        out.float().sum().backward()
        assert torch.allclose(conv.weight.grad.float(), exact.weight.grad, atol=0.05, rtol=0.02)
