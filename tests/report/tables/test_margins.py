from itertools import product

import numpy as np
import pytest

from mmrobustprune.report.tables.grid import grids
from mmrobustprune.report.tables.margins import margins
from tests.report.records import run, save_hits

RIGHT = np.arange(40) < 30


@pytest.fixture
def pair(tmp_path):
    """Ours is right on 36 and 32 of 40 images in fog, theirs on 30; in snow both are the same."""
    ours = save_hits(
        tmp_path / 'a',
        'ours',
        {
            ('fog', 1): np.arange(40) < 36,
            ('fog', 3): np.arange(40) < 32,
            ('snow', 1): RIGHT,
            ('snow', 3): RIGHT,
        },
    )
    theirs = save_hits(
        tmp_path / 'b', 'theirs', dict.fromkeys(product(('fog', 'snow'), (1, 3)), RIGHT)
    )
    return ours, theirs


def test_margins_are_those_of_the_written_table_with_intervals_around_them(pair):
    found = margins(*pair, grids(pair), draws=400)
    assert {name: value for name, (value, _, _) in found.values.items()} == pytest.approx(
        {'fog': 10, 'snow': 0, 'mean': 5}
    )
    difference, low, high = found.values['fog']
    assert 0 < low < difference < high < 25
    assert found.values['snow'] == (0, 0, 0)  # paired: the same images are right in both
    assert found.percent and not found.why


def test_without_evidence_there_are_no_intervals_and_it_is_said(pair):
    (pair[1].folder / 'cells' / 'fog-3.npz').unlink()
    found = margins(*pair, grids(pair))
    assert found.values['fog'] == (pytest.approx(10), None, None)
    assert margins(pair[0], pair[0], grids([pair[0]] * 2), draws=0).why == 'none were asked for'
    assert found.why == 'theirs kept no evidence of every image'


def test_evidence_of_another_evaluation_is_refused(pair):
    save = (pair[1].folder / 'cells' / 'snow-1.npz').read_bytes()
    for at in (1, 3):
        (pair[0].folder / 'cells' / f'fog-{at}.npz').write_bytes(save)
    with pytest.raises(
        ValueError,
        match="evidence of 'ours' or 'theirs' gives a margin of 0 on fog and results.json 10",
    ):
        margins(*pair, grids(pair))


def test_the_mean_is_over_the_benchmark_corruptions_as_mpc_is(tmp_path):
    """Fog 75 to 50 %, saturate 25 to 100 %: the first counts, the second is extra."""
    ours = save_hits(
        tmp_path / 'a', 'ours', {('fog', 1): RIGHT, ('saturate', 1): np.arange(40) < 10}
    )
    theirs = save_hits(
        tmp_path / 'b',
        'theirs',
        {('fog', 1): np.arange(40) < 20, ('saturate', 1): np.arange(40) < 40},
    )
    found = margins(ours, theirs, grids([ours, theirs]), draws=100).values
    assert (
        found['mean'] == found['fog']
        and found['mean'][0] == pytest.approx(25)
        and found['saturate'][0] == pytest.approx(-75)
    )


def test_incomplete_corruptions_are_left_out_with_the_mean_and_none_is_refused():
    runs = [run('a', drop=[('fog', 3)]), run('b')]
    assert set(margins(*runs, grids(runs)).values) == {'snow'}
    assert set(margins(*runs, grids(runs, partial=True)).values) == {'snow', 'fog', 'mean'}
    runs = [run('a', drop=[('fog', 3), ('snow', 1)]), run('b')]
    with pytest.raises(ValueError, match="'a' and 'b' have no corruption in full"):
        margins(*runs, grids(runs))
