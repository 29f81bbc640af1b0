"""Generators are kept, restored, seeded and written."""

import random

import numpy as np
import pytest
import torch

from mmrobustprune.rng import (
    RandomState,
    forked,
    generator_state,
    preserved_rng,
    restore_generators,
    seeded,
    training_state,
)


def draws():
    return random.gauss(0, 1), np.random.randn(), torch.randn(3).tolist()


def test_restored_generators_draw_the_same():
    random.gauss(0, 1), np.random.randn()  # both keep half of a pair of normal numbers
    state = generator_state()
    first = draws()
    assert draws() != first
    restore_generators(state)
    assert draws() == first


def test_the_state_is_plain_data(tmp_path):
    state = generator_state()
    torch.save(state, tmp_path / 'state.pth')
    first = draws()
    restore_generators(torch.load(tmp_path / 'state.pth', weights_only=True))
    assert draws() == first


def test_plain_data_and_back_is_the_same_state():
    draws()
    state = RandomState.now()
    again = RandomState.from_dict(state.to_dict())
    assert again.python == state.python and torch.equal(again.torch, state.torch)
    for one, other in zip(again.numpy, state.numpy, strict=True):
        assert np.array_equal(one, other)


def test_all_generators_are_left_where_they_were():
    with preserved_rng():
        inside = draws()
    assert draws() == inside


def test_all_generators_are_restored_after_an_error():
    with preserved_rng():
        expected = draws()
    with pytest.raises(KeyError), preserved_rng():
        draws()
        raise KeyError
    assert draws() == expected


def test_a_block_may_start_from_another_state_and_is_left_as_if_it_had_not():
    start = RandomState.now()
    first = draws()
    live = RandomState.now()
    with preserved_rng(start):
        assert draws() == first
    after = draws()
    live.restore()
    assert draws() == after


def test_a_fork_moves_nothing_and_the_checkpoint_inside_holds_the_outer_state():
    before = generator_state()
    with forked():
        draws()
        with forked():
            draws()
            saved = training_state()
    first = draws()
    restore_generators(saved)
    assert draws() == first
    restore_generators(before)
    assert draws() == first


def test_a_fork_is_left_on_errors_too():
    before = generator_state()
    with pytest.raises(KeyError), forked():
        draws()
        raise KeyError
    first = draws()
    assert torch.equal(training_state()['torch'], generator_state()['torch'])
    restore_generators(before)
    assert draws() == first


def test_seeded_depends_on_the_key_alone():
    with seeded(1, 2, 3):
        first = draws()
    outside = draws()
    with seeded(1, 2, 3):
        assert draws() == first
    with seeded(1, 2, 4):
        assert draws() != first
    assert draws() != outside


def test_seeded_moves_nothing_outside():
    state = generator_state()
    first = draws()
    restore_generators(state)
    with seeded(0):
        draws()
    assert draws() == first


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_the_gpus_generator_too():
    state = generator_state()
    first = torch.randn(3, device='cuda')
    with seeded(0):
        pass
    restore_generators(state)
    assert torch.equal(torch.randn(3, device='cuda'), first)
