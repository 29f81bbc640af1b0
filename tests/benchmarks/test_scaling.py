"""The model of a data-parallel step."""

import pytest

from benchmarks.scaling import RULES, SIZES, Model, extrapolated, model_of


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
