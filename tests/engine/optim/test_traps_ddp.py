"""Traps that need two processes (gloo); tests/support/ranks.py holds what they do."""

import os
import subprocess
import sys

import pytest
import torch


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    """Results of every scenario by rank."""
    folder = tmp_path_factory.mktemp('ranks')
    command = [sys.executable, '-m', 'tests.support.ranks']
    environment = {
        **os.environ,
        'PYTHONPATH': os.pathsep.join(path for path in sys.path if path),
        'OMP_NUM_THREADS': '1',
    }
    processes = [
        subprocess.Popen(
            [*command, str(rank), str(folder)],
            env=environment,
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    try:
        for process in processes:
            error = process.communicate(timeout=300)[1]
            assert process.returncode == 0, error[-3000:]
    finally:
        for process in processes:
            process.kill()
    return [torch.load(folder / f'{rank}.pt') for rank in range(2)]


def test_T12_replicas_are_equal_after_forty_steps(ranks):
    assert ranks[0]['replicas_stay_equal'] == [0.0] * 4


def test_T12_whatever_the_ascent(ranks):
    assert set(ranks[0]['ascents_stay_equal'].values()) == {0.0}


def test_T13_every_rank_climbs_by_its_own_gradient(ranks):
    between_ranks, error = ranks[0]['first_gradients']
    assert between_ranks > 1e-3
    assert error < 1e-6


def test_T13_unless_they_climb_together(ranks):
    assert ranks[0]['climbed_together'] == 0.0


def test_T14_static_graph_is_refused_by_its_name(ranks):
    assert (
        'DistributedDataParallel(static_graph=True); leave static_graph out'
        in (ranks[0]['static_graph'])
    )


def test_T15_the_options_of_data_parallel_training(ranks):
    assert len(ranks[0]['matrix']) == 8
    for options, found in ranks[0]['matrix'].items():
        assert found == (0.0, 3), options


def test_T01_zero_radius_is_plain_data_parallel_training(ranks):
    assert all(rank['zero_radius'] for rank in ranks)


def test_T16_an_overflow_on_one_rank_parts_nobody(ranks):
    assert [rank['overflow_on_one_rank'] for rank in ranks] == [(0.0, True, True)] * 2


def test_T30_skipped_steps_are_synchronised(ranks):
    assert ranks[0]['skipped_steps'] == 0.0


def test_accumulated_micro_batches_are_synchronised(ranks):
    assert ranks[0]['accumulation'] == 0.0


def test_a_plain_loop_is_synchronised(ranks):
    assert ranks[0]['plain_loop'] == 0.0
