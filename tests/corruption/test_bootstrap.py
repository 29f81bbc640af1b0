import numpy as np
import pytest

from mmrobustprune.corruption.bootstrap import paired_margin, whole_set_interval
from mmrobustprune.corruption.evidence import Hits
from tests.corruption.test_evidence import random_matches


def hits(rng, probability, images):
    return Hits(rng.random(images) < probability)


def table(seed, names=('fog', 'snow'), severities=2):
    rng = np.random.default_rng(seed)
    return {name: [hits(rng, 0.5, 40) for _ in range(severities)] for name in names}


def test_a_model_is_no_better_than_itself():
    found = paired_margin(table(0), table(0))
    assert found == {name: (0, 0, 0) for name in ('fog', 'snow', 'mean')}
    ours = {'fog': [random_matches(1), random_matches(2)]}
    assert paired_margin(ours, ours, draws=50) == {'fog': (0, 0, 0), 'mean': (0, 0, 0)}


def test_differences_are_means_over_severities_and_then_corruptions():
    right, wrong = Hits(np.ones(4, bool)), Hits(np.zeros(4, bool))
    half = Hits(np.array([True, True, False, False]))
    found = paired_margin(
        {'fog': [right, half], 'snow': [wrong, wrong]},
        {'fog': [wrong, half], 'snow': [half, wrong]},
    )
    assert [found[name][0] for name in ('fog', 'snow', 'mean')] == pytest.approx([50, -25, 12.5])
    assert found['fog'][1:] == (50, 50)  # the same images in both models and severities
    assert found['snow'][1] < -25 < found['snow'][2]


def test_the_same_images_are_drawn_for_all_cells():
    """What one corruption wins on an image the other loses on it: their mean never moves."""
    image = np.random.default_rng(0).random(50) < 0.5
    nothing = Hits(np.zeros(50, bool))
    found = paired_margin(
        {'fog': [Hits(image)], 'snow': [Hits(~image)]}, {'fog': [nothing], 'snow': [nothing]}
    )
    assert found['mean'] == pytest.approx((50, 50, 50), abs=1e-4)
    assert found['fog'][2] - found['fog'][1] > 10


def test_the_same_seed_gives_the_same_interval_and_batches_do_not_matter(monkeypatch):
    first, other = paired_margin(table(0), table(1)), paired_margin(table(0), table(1), seed=1)
    assert first == paired_margin(table(0), table(1)) and first['fog'][0] == other['fog'][0]
    assert first['fog'][1:] != other['fog'][1:]
    monkeypatch.setattr('mmrobustprune.corruption.bootstrap._ELEMENTS', 100)
    assert first == paired_margin(table(0), table(1))


def test_a_higher_level_is_wider_and_the_sides_change_the_sign():
    narrow, wide = (paired_margin(table(0), table(1), level=level)['mean'] for level in (0.5, 0.99))
    assert wide[1] < narrow[1] < narrow[0] < narrow[2] < wide[2]
    turned = paired_margin(table(1), table(0), level=0.5)['mean']
    assert turned == pytest.approx((-narrow[0], -narrow[2], -narrow[1]))


def test_intervals_cover_the_truth_as_often_as_they_say():
    """Two models right on .7 and .6 of the images, paired: the truth is 10 points."""
    rng, covered = np.random.default_rng(7), 0
    for trial in range(400):
        ours = rng.random(150) < 0.7
        theirs = np.where(
            rng.random(150) < 0.5, ours & (rng.random(150) < 6 / 7), rng.random(150) < 0.6
        )
        _, low, high = paired_margin(
            {'fog': [Hits(ours)]}, {'fog': [Hits(theirs)]}, draws=300, seed=trial
        )['fog']
        covered += low <= 10 <= high
    assert 0.92 <= covered / 400 <= 0.98


@pytest.mark.parametrize(
    'ours, theirs, reason',
    [
        (
            table(0),
            table(0, names=('fog',)),
            'evidence of fog, snow and the other of fog; give both the same corruptions',
        ),
        (table(0), table(0, severities=3), 'fog has 2 severities of one model and 3'),
        ({}, {}, 'evidence of nothing'),
        ({'fog': []}, {'fog': []}, 'same corruptions'),
        (
            {'fog': [Hits(np.ones(3, bool))]},
            {'fog': [Hits(np.ones(4, bool))]},
            r'evidence of \[3, 4\] images cannot be paired',
        ),
    ],
)
def test_what_cannot_be_paired_is_refused(ours, theirs, reason):
    with pytest.raises(ValueError, match=reason):
        paired_margin(ours, theirs)


@pytest.mark.parametrize('options', [dict(draws=0), dict(level=1.0), dict(level=95)])
def test_numbers_that_give_no_interval_are_refused(options):
    with pytest.raises(ValueError, match='give no interval; take at least one draw and a level in'):
        paired_margin(table(0), table(1), **options)


def test_accuracies_of_a_part_have_students_interval_for_the_whole_shrunk_by_what_was_seen():
    """Images right in 2, 1, 1 and 0 of two cells: shares 100, 50, 50, 0, s = 40.8, t(3) = 3.182."""
    cells = [Hits(np.array([1, 1, 0, 0], bool)), Hits(np.array([1, 0, 1, 0], bool))]
    reach = 3.182446 * 100 * (1 / 6) ** 0.5 / 2
    for of, shrink in ((4, 0.0), (8, 0.5**0.5), (10**9, 1.0)):
        low, high = whole_set_interval(cells, of)
        assert low == pytest.approx(50 - shrink * reach, abs=1e-3)
        assert high == pytest.approx(50 + shrink * reach, abs=1e-3)
    for wrong, of in (
        ([Hits(np.ones(1, bool))], 5),
        (cells, 3),
        ([*cells, Hits(np.ones(3, bool))], 9),
    ):
        with pytest.raises(ValueError, match='gives no interval'):
            whole_set_interval(wrong, of)


def test_the_interval_holds_the_whole_sets_number_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    whole = rng.random((3, 400)) < rng.random(400)  # images are right in all cells or in none
    inside = 0
    for _ in range(200):
        part = rng.choice(400, 100, replace=False)
        low, high = whole_set_interval([Hits(cell[part]) for cell in whole], 400)
        inside += low <= 100 * whole.mean() <= high
    assert 182 <= inside <= 198
