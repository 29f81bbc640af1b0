import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrobustprune.corruption.curves import CURVES, hundred_one_points
from mmrobustprune.corruption.evidence import Hits, Matches, load

TWO = np.array([0.5, 0.75])


def matches(hit, image, truths, ignored=None, label=None, curve='area', thresholds=TWO):
    """Detections from the highest score to the lowest; `hit` one row per threshold."""
    hit = np.atleast_2d(np.array(hit, bool))
    image = np.array(image)
    return Matches(
        image,
        np.zeros(len(image), int) if label is None else np.array(label),
        np.linspace(0.9, 0.1, len(image)),
        hit,
        np.zeros_like(hit) if ignored is None else np.atleast_2d(np.array(ignored, bool)),
        np.array(truths),
        thresholds[: len(hit)],
        curve,
    )


def random_matches(seed, curve='area', images=5, classes=3, detections=30):
    rng = np.random.default_rng(seed)
    truths = rng.integers(0, 4, (images, classes))
    label, image = (
        np.sort(rng.integers(classes, size=detections)),
        rng.integers(images, size=detections),
    )
    hit = np.zeros((2, detections), bool)
    left = [truths.copy(), truths.copy()]
    for at in range(detections):
        for row in range(2):
            if left[row][image[at], label[at]] and rng.random() < 0.5:
                left[row][image[at], label[at]] -= 1
                hit[row, at] = True
    ignored = ~hit & (rng.random((2, detections)) < 0.2)
    return Matches(image, label, rng.random(detections), hit, ignored, truths, TWO, curve)


def average_precision(hit, ignored, truths, curve):
    """One class, from the definition: precision at every true box that is found, or at every point
    of recall.
    """
    right = wrong = 0
    points = []
    for good, out in zip(hit, ignored, strict=True):
        right, wrong = right + good, wrong + (not good and not out)
        points.append((right / truths, right / max(right + wrong, 1)))
    if curve == 'area':
        return (
            sum(max(p for r, p in points if r >= found / truths) for found in range(1, right + 1))
            / truths
        )
    grid = np.arange(0, 1.001, 0.1) if curve == '11points' else np.linspace(0, 1, 101)
    return np.mean([max((p for r, p in points if r >= at), default=0) for at in grid])


def slow(evidence, multiplicities):
    """The metric over a list that really holds the images so often."""
    means = []
    for row in range(len(evidence.thresholds)):
        values = []
        for label in range(evidence.truths.shape[1]):
            truths = (evidence.truths[:, label] * multiplicities).sum()
            which = np.flatnonzero(evidence.label == label)
            which = np.repeat(which, multiplicities[evidence.image[which]])
            if truths:
                values.append(
                    average_precision(
                        evidence.hit[row, which],
                        evidence.ignored[row, which],
                        truths,
                        evidence.curve,
                    )
                )
        means.append(np.mean(values) if values else CURVES[evidence.curve].nothing)
    return np.mean(means)


def test_accuracy_is_per_cent_and_of_the_images_taken():
    evidence = Hits(np.array([True, True, False]))
    assert evidence.metric(np.array([[1, 1, 1], [0, 0, 3], [2, 1, 1]])) == pytest.approx(
        [200 / 3, 0, 75], rel=1e-6
    )
    assert evidence.metric(np.ones((1, 3)))[0] == float(np.float32(2) * np.float32(100 / 3))


def test_average_precision_by_hand():
    """Right, wrong, right of three true boxes: 1/3 * 1 + 1/3 * 2/3 = 5/9; at a stricter overlap
    only the last: 1/3 * 1/3.
    """
    evidence = matches([[1, 0, 1], [0, 0, 1]], [0, 0, 1], [[2], [1]])
    assert evidence.metric(np.ones((1, 2))) == pytest.approx([(5 / 9 + 1 / 9) / 2], rel=1e-6)


def test_eleven_points_by_hand():
    """Recall 1/3 with precision 1 at four points, 2/3 with precision 2/3 at three, nothing above:
    6/11.
    """
    evidence = matches([1, 0, 1], [0, 0, 1], [[2], [1]], curve='11points')
    assert evidence.metric(np.ones((1, 2))) == pytest.approx([6 / 11], rel=1e-6)


def test_a_hundred_and_one_points_by_hand():
    """34 points up to recall .33 with precision 1, 33 up to .66 with 2/3: 56/101."""
    evidence = matches([1, 0, 1], [0, 0, 1], [[2], [1]], curve='101points')
    assert evidence.metric(np.ones((1, 2))) == pytest.approx([56 / 101], abs=1e-12)


def test_an_image_left_out_takes_its_boxes_and_detections_with_it():
    evidence = matches([1, 0, 1], [0, 0, 1], [[2], [1]])
    assert evidence.metric(np.array([[1, 0], [0, 1], [0, 7]])) == pytest.approx([1 / 2, 1, 1])


def test_ignored_detections_do_not_count():
    evidence = matches([0, 1], [0, 0], [[1]], ignored=[1, 0])
    assert evidence.metric(np.ones((1, 1))) == pytest.approx([1.0])


def test_a_class_without_true_boxes_is_no_zero():
    evidence = matches([1, 0], [0, 1], [[1, 0], [0, 1]], label=[0, 1])
    assert evidence.metric(np.array([[1, 1], [1, 0]])) == pytest.approx([0.5, 1])


@pytest.mark.parametrize('curve, nothing', [('area', 0), ('11points', 0), ('101points', -1)])
def test_without_any_true_box_it_is_what_the_evaluator_says(curve, nothing):
    evidence = matches([1, 0], [0, 1], [[1], [0]], curve=curve)
    assert evidence.metric(np.array([[0, 1]]))[0] == nothing


@pytest.mark.parametrize('curve', CURVES)
def test_no_detection_at_all_is_zero(curve):
    evidence = matches([[]], [], [[2], [1]], curve=curve)
    assert evidence.metric(np.ones((3, 2))).tolist() == [0, 0, 0]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(list(CURVES)), st.data())
def test_weights_are_as_good_as_copies_of_the_images(seed, curve, data):
    evidence = random_matches(seed, curve)
    weights = np.array(
        data.draw(
            st.lists(
                st.lists(st.integers(0, 3), min_size=5, max_size=5).filter(any),
                min_size=1,
                max_size=4,
            )
        )
    )
    assert evidence.metric(weights) == pytest.approx(
        [slow(evidence, row) for row in weights], abs=2e-7
    )


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from(list(CURVES)))
def test_batches_of_draws_change_no_more_than_the_last_digit(seed, curve):
    """Sums in single precision go in another order."""
    evidence = random_matches(seed, curve)
    weights = np.random.default_rng(seed).integers(0, 4, (9, 5)) + np.eye(5, dtype=int)[0]
    together = evidence.metric(weights)
    assert together == pytest.approx(
        np.concatenate([evidence.metric(row[None]) for row in weights]), abs=2e-7
    )


def test_bounded_work_arrays_do_not_change_a_digit(monkeypatch):
    evidence, weights = random_matches(3), np.random.default_rng(0).integers(1, 4, (9, 5))
    whole = evidence.metric(weights)
    monkeypatch.setattr('mmrobustprune.corruption.evidence._ELEMENTS', 1)
    assert np.array_equal(whole, evidence.metric(weights))


@pytest.mark.parametrize('truths', [1, 3, 7, 25, 29, 50, 100, 101, 997])
def test_recall_reaches_the_same_of_the_hundred_and_one_points_as_a_search(truths):
    right = np.arange(1, truths + 1, dtype=np.float32)[:, None]
    rng = np.random.default_rng(truths)
    wrong = np.cumsum(rng.integers(0, 3, (truths, 1)), 0).astype(np.float32)
    precision = np.maximum.accumulate((right / (right + wrong)).astype(float)[::-1])[::-1, 0]
    at = np.searchsorted(right[:, 0].astype(float) / truths, np.linspace(0, 1, 101))
    assert hundred_one_points(right, wrong, np.array([truths], np.float32)) == pytest.approx(
        precision[at].mean(), abs=1e-7
    )


@pytest.mark.parametrize(
    'evidence',
    [Hits(np.array([True, False, True])), random_matches(1, '101points')],
    ids=lambda one: type(one).__name__,
)
def test_what_is_saved_is_read_again(tmp_path, evidence):
    path = tmp_path / '.17.fog-3.npz'
    evidence.save(path)
    again = load(path)
    weights = np.random.default_rng(0).integers(1, 4, (7, evidence.images))
    assert type(again) is type(evidence) and np.array_equal(
        again.metric(weights), evidence.metric(weights)
    )
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_damaged_or_other_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='no.npz is not there'):
        load(tmp_path / 'no.npz')
    good = tmp_path / 'good.npz'
    Hits(np.ones(1000, bool)).save(good)
    (tmp_path / 'short.npz').write_bytes(good.read_bytes()[:-30])
    np.savez(tmp_path / 'other.npz', kind='Runner', correct=np.ones(3))
    np.savez(tmp_path / 'pickle.npz', kind='Hits', correct=np.array([{}], dtype=object))
    for name in ('short', 'other', 'pickle'):
        with pytest.raises(ValueError, match=f'{name}.npz is no evidence'):
            load(tmp_path / f'{name}.npz')


@pytest.mark.parametrize(
    'weights, reason',
    [
        (np.ones((2, 4)), r'shape \(2, 4\) and there are 3 images'),
        (np.ones(3), r'shape \(3,\)'),
        (np.array([[1, -1, 1]]), 'negative'),
        (np.array([[1, 1, 1], [0, 0, 0]]), 'no image'),
    ],
)
def test_weights_that_are_no_sets_of_images_are_refused(weights, reason):
    with pytest.raises(ValueError, match=reason):
        Hits(np.array([True, False, True])).metric(weights)


def test_an_unknown_curve_is_refused():
    with pytest.raises(
        ValueError, match="curve 'roc' is unknown; choose among area, 11points, 101points"
    ):
        matches([1], [0], [[1]], curve='roc')
