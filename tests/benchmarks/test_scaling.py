"""The model of a data-parallel step."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch.multiprocessing as mp

from benchmarks import scaling_page
from benchmarks.processes import together
from benchmarks.scaling import GPUS, RULES, SIZES, Model, extrapolated, model_of


def test_a_ring_by_hand():
    """4 processes: 6 hops of 1 ms, and 1.5 times 8 MB over 4 MB/s."""
    model = Model(hop=1e-3, bandwidth=4e6, hidden=0.75)
    assert model.alone(4, 8e6) == pytest.approx(0.006 + 3.0)
    assert model.step(10.0, 4, 8e6) == pytest.approx(10 + 0.25 * 3.006)
    assert model.alone(1, 8e6) == 0


def measured(model, worlds, sent, compute):
    """What a machine would measure that is just as the model says."""
    found = {}
    for world in worlds:
        found[world] = {f'alone {size}': model.alone(world, size) for size in SIZES}
        for scaling in ('weak', 'strong'):
            for rule in RULES:
                found[world][f'{scaling} {rule} local'] = compute
                found[world][f'{scaling} {rule} reduced'] = model.step(compute, world, sent)
    return found


def test_the_fit_finds_what_the_times_were_made_of():
    true = Model(hop=2e-4, bandwidth=3e8, hidden=0.4)
    model, rows = model_of(measured(true, (1, 2, 4), 4e7, 0.5), 4e7)
    assert model.hop == pytest.approx(2e-4) and model.bandwidth == pytest.approx(3e8)
    assert model.hidden == pytest.approx(0.4)
    assert len(rows) == 8 and max(abs(row['error']) for row in rows) < 1e-9
    assert {row['processes'] for row in rows if not row['fitted']} == {4}


def test_a_two_pass_step_scales_better_than_a_plain_one():
    rows = extrapolated(compute=0.1, sent=1e8, hop=1e-5, bandwidth=1e10)
    for row in rows:
        assert 0 < row['plain'][0] < row['two_pass'][0] < 1
        assert row['plain'][0] <= row['plain'][1]


def test_the_page_takes_its_tables_from_the_result(tmp_path):
    model, rows = model_of(measured(Model(2e-4, 3e8, 0.4), (1, 2, 4), 4e7, 0.5), 4e7)
    rows[-1]['error'] = -0.125
    assumed = dict(compute=0.1, gradients=1e8, hop=1e-5, bandwidth=1e10)
    found = dict(
        command='python benchmarks/scaling.py',
        cores=2,
        load=0.25,
        batch=8,
        rounds=5,
        gradients=4e7,
        model=asdict(model),
        rows=rows,
        assumed=assumed,
        extrapolated=extrapolated(0.1, 1e8, 1e-5, 1e10),
    )
    result = tmp_path / 'scaling.json'
    page = tmp_path / 'scaling.md'
    result.write_text(json.dumps(found))
    page.write_text('before\n<!-- scaling -->\nNo run.\n<!-- end of scaling -->\nafter\n')
    for _ in range(2):
        scaling_page.write(result, page)
    lines = page.read_text().splitlines()
    assert lines[:2] == ['before', '<!-- scaling -->'] and lines[-1] == 'after'
    assert 'No run.' not in lines and lines.count('<!-- end of scaling -->') == 1
    assert any('a = 200 us, b = 0.30 GB/s' in line for line in lines)
    assert any('off by at most 12.5%' in line for line in lines)
    assert len([line for line in lines if line.startswith('| ')]) == 2 + len(rows) + 2 + len(GPUS)


def test_a_result_of_two_processes_alone_says_that_nothing_was_tried():
    _, rows = model_of(measured(Model(2e-4, 3e8, 0.4), (1, 2), 4e7, 0.5), 4e7)
    assert scaling_page.error_of(rows) == 'No steps were measured that it was not fitted to.'


def write_name(rank, world, folder, name):
    Path(folder, f'{world}.json').write_text(json.dumps([rank, name]))


def test_processes_write_what_they_found_together(monkeypatch):
    started = []

    def spawn(function, args, nprocs):
        started.append(nprocs)
        function(0, *args)

    monkeypatch.setattr(mp, 'spawn', spawn)
    assert together(write_name, (1, 2), 'a') == {1: [0, 'a'], 2: [0, 'a']} and started == [1, 2]
