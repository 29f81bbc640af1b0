"""Parts of a computation on several threads."""

import threading

import pytest
import torch

from mmrobustprune.threads import in_threads


@pytest.fixture
def two():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_all_threads_take_part_and_results_are_in_order(two):
    both = threading.Barrier(2, timeout=20)

    def run(part):
        both.wait()
        return part, torch.get_num_threads(), torch.is_grad_enabled()

    assert in_threads(run, range(4)) == [(part, 1, False) for part in range(4)]
    assert torch.get_num_threads() == 2
    inherited = []
    later = threading.Thread(target=lambda: inherited.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert inherited == [2]


def test_an_error_of_a_part_is_the_callers(two):
    def run(part):
        raise ValueError(f'part {part}')

    with pytest.raises(ValueError, match='part 0'):
        in_threads(run, range(3))
    assert torch.get_num_threads() == 2


def test_one_part_needs_no_thread(two):
    assert in_threads(lambda part: threading.current_thread(), [0]) == [threading.main_thread()]
