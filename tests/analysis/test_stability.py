"""Hamming distances, and the record of a run."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrobustprune.analysis import Stability, hamming, signed_difference
from mmrobustprune.analysis.stability import pack, unpack


def bits(text):
    return torch.tensor([one == '1' for one in text])


def test_written_out():
    found = hamming(dict(a=bits('1100'), b=bits('11')), dict(a=bits('1010'), b=bits('10')))
    assert (found.value, found.flipped, found.entries, found.layers) == (
        0.5,
        3,
        6,
        dict(a=0.5, b=0.5),
    )
    assert found.resized == pytest.approx(1 / 6)  # b keeps one less; the two of a are an exchange


masks_of = st.lists(st.lists(st.booleans(), min_size=1, max_size=12), min_size=1, max_size=4)


@settings(max_examples=80, deadline=None)
@given(rows=masks_of, seed=st.integers(0, 99))
def test_a_distance(rows, seed):
    a = {str(i): torch.tensor(row) for i, row in enumerate(rows)}
    generator = torch.Generator().manual_seed(seed)
    b, c = (
        {name: torch.rand(mask.shape, generator=generator) < 0.5 for name, mask in a.items()}
        for _ in range(2)
    )
    assert (
        hamming(a, a).value == 0
        and hamming(a, {name: ~mask for name, mask in a.items()}).value == 1
    )
    assert (
        hamming(a, b).value
        == hamming(b, a).value
        <= hamming(a, c).value + hamming(c, b).value + 1e-12
    )
    assert 0 <= hamming(a, b).resized <= hamming(a, b).value <= 1
    shuffled = {
        name: mask[torch.randperm(len(mask), generator=generator)] for name, mask in a.items()
    }
    exchange = hamming(a, shuffled)
    kept = {name: float(mask.float().mean()) for name, mask in a.items()}
    assert exchange.resized == 0
    assert all(exchange.layers[name] <= 2 * min(kept[name], 1 - kept[name]) + 1e-6 for name in a)


@settings(max_examples=40, deadline=None)
@given(rows=masks_of)
def test_packing_keeps_every_bit(rows):
    masks = {str(i): torch.tensor(row).view(1, -1, 1) for i, row in enumerate(rows)}
    packed = pack(masks)
    assert all(one['bits'].numel() == -(-masks[name].numel() // 8) for name, one in packed.items())
    back = unpack(packed)
    assert back.keys() == masks.keys() and all(
        torch.equal(back[name], masks[name]) for name in masks
    )


def test_the_record_of_a_run():
    one = Stability()
    one.start(dict(a=bits('1100')), dict(a=torch.tensor([3.0, 4.0])))
    first = one.add(dict(a=bits('1010')), dict(a=torch.tensor([3.0, 5.0])))
    assert first == dict(
        hamming_first=0.5,
        hamming_previous=0.5,
        resized_first=0,
        layers_first=dict(a=0.5),
        layers_previous=dict(a=0.5),
        kept=dict(a=2),
        displacement_first=pytest.approx(0.2),
        displacement_previous=pytest.approx(0.2),
        layers_displacement=dict(a=pytest.approx(0.2)),
    )
    other = Stability()
    other.load_state_dict(one.state_dict())
    for record in (
        run.add(dict(a=bits('1000')), dict(a=torch.tensor([3.0, 5.0]))) for run in (one, other)
    ):
        assert (record['hamming_first'], record['hamming_previous'], record['resized_first']) == (
            0.25,
            0.25,
            0.25,
        )
        assert record['displacement_previous'] == 0 and record[
            'displacement_first'
        ] == pytest.approx(0.2)


def test_masks_that_change_in_place_are_not_followed():
    mask = bits('10')
    one = Stability()
    one.start(dict(a=mask))
    mask.logical_not_()
    record = one.add(dict(a=mask))
    assert record['hamming_first'] == 1 and 'displacement_first' not in record


def test_above_zero_ours_is_the_more_stable():
    original = [
        dict(epoch=1, hamming_first=0.1),
        dict(epoch=2, hamming_first=0.3),
        dict(epoch=3, hamming_first=0.5),
    ]
    ours = [
        dict(epoch=2, hamming_first=0.2),
        dict(epoch=3, hamming_first=0.6),
        dict(epoch=4, hamming_first=1.0),
        dict(epoch=1),
    ]
    found = signed_difference(original, ours)
    assert (
        found.epochs == [2, 3]
        and found.values == pytest.approx([0.1, -0.1])
        and found.mean == pytest.approx(0)
    )
    with pytest.raises(ValueError, match='no epoch'):
        signed_difference(original, ours, 'hamming_previous')


@pytest.mark.parametrize(
    'a, b, words',
    [
        (dict(a=bits('10')), dict(b=bits('10')), "'a' is not the same"),
        (dict(a=bits('10')), dict(a=bits('100')), 'two networks'),
        ({}, {}, 'no entry'),
        (dict(a=torch.ones(2)), dict(a=bits('10')), 'not of bools'),
    ],
)
def test_wrong_masks_are_one_sentence(a, b, words):
    with pytest.raises(ValueError) as error:
        hamming(a, b)
    assert words in str(error.value) and '\n' not in str(error.value)


def test_a_record_needs_a_start_and_scores_of_one_network():
    with pytest.raises(ValueError, match='call start'):
        Stability().add(dict(a=bits('1')))
    one = Stability()
    one.start(dict(a=bits('1')), dict(a=torch.ones(2)))
    with pytest.raises(ValueError, match='3 scores'):
        one.add(dict(a=bits('1')), dict(a=torch.ones(3)))
