"""Which scores are kept, and how many."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrobustprune.mask_search import kept_count, top_mask
from mmrobustprune.mask_search.topk import _on_device

# prunable weights of the CIFAR ResNet-18 and of the 16-layer VGG with three linear layers
RESNET18 = {
    'conv1': [64 * 27],
    'stages': [64 * 64 * 9] * 4,
    'second': [128 * 64 * 9, 128 * 64] + [128 * 128 * 9] * 3,
    'third': [256 * 128 * 9, 256 * 128] + [256 * 256 * 9] * 3,
    'fourth': [512 * 256 * 9, 512 * 256] + [512 * 512 * 9] * 3,
    'fc': [5120],
}
VGG = (
    [3 * 64 * 9]
    + [
        a * b * 9
        for a, b in zip(
            (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512),
            (64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512),
            strict=True,
        )
    ]
    + [2048 * 256, 256 * 256, 2560]
)


@pytest.mark.parametrize(
    'ratio, resnet, vgg',
    [
        (0.8, 2_232_880, 3_060_578),
        (0.9, 1_116_445, 1_530_291),
        (0.95, 558_228, 765_149),
        (0.99, 111_653, 153_035),
    ],
)
def test_kept_counts_of_the_papers_networks(ratio, resnet, vgg):
    layers = sum(RESNET18.values(), [])
    assert sum(layers) == 11_164_352 and sum(VGG) == 15_302_848
    assert sum(kept_count(n, ratio) for n in layers) == resnet
    assert sum(kept_count(n, ratio) for n in VGG) == vgg


def test_the_ratio_is_the_decimal_number_it_is_written_as():
    assert 0.29 * 100 < 29 and kept_count(100, 0.29) == 71
    assert [kept_count(n, 0.99) for n in (1728, 5120, 2560, 1)] == [18, 52, 26, 1]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.data())
def test_the_largest_stay_and_of_equals_the_first(values, data):
    scores = torch.tensor(values, dtype=torch.float32)
    kept = data.draw(st.integers(1, len(values)))
    order = sorted(range(len(values)), key=lambda i: (-abs(values[i]), i))
    expected = [float(i in order[:kept]) for i in range(len(values))]
    assert top_mask(scores, kept).tolist() == expected
    assert _on_device(scores.abs(), kept).float().tolist() == expected


@pytest.mark.parametrize('dtype', [torch.float64, torch.float16, torch.bfloat16])
def test_every_type_of_scores(dtype):
    mask = top_mask(torch.tensor([[1.0, -4.0], [3.0, 2.0]], dtype=dtype), 2)
    assert mask.tolist() == [[0, 1], [1, 0]] and mask.dtype == dtype
