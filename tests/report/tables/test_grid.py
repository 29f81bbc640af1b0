import pytest

from mmrobustprune.corruption import Cell
from mmrobustprune.report.runs import Run
from mmrobustprune.report.tables.grid import grids, is_percent, say_missing
from tests.report.records import results, run


def _given(table, **changes):
    """A run with the values of (corruption, severity) written out."""
    content = results(
        kinds=tuple(dict.fromkeys(kind for kind, _ in table)),
        levels=tuple(sorted({at for _, at in table})),
    )
    for cell in content['cells']:
        cell['pascal_voc/AP50'] = table[cell['corruption'], cell['severity']]
    return Run(changes.pop('name', 'dense'), {**content, **changes})


TABLE = {
    ('fog', 1): 0.6,
    ('fog', 3): 0.4,
    ('snow', 1): 0.5,
    ('snow', 3): 0.1,
    ('spatter', 1): 0.9,
    ('spatter', 3): 0.7,
}


def test_means_are_those_of_the_written_table_and_extra_corruptions_do_not_count():
    (grid,) = grids([_given(TABLE)])
    assert grid.mean('fog') == pytest.approx(0.5) and grid.mean('spatter') == pytest.approx(0.8)
    assert grid.mean(severity=1) == pytest.approx(0.55) and grid.mean(severity=3) == pytest.approx(
        0.25
    )
    assert grid.mean() == pytest.approx(0.4) == grid.summary.mPC
    assert grid.summary.R_C == pytest.approx(3.2 / 6 / 0.8)
    assert grid.corruptions == ['snow', 'fog', 'spatter'] and grid.severities == [1, 3]


def test_a_missing_cell_is_no_zero_and_takes_its_means_along():
    (grid,) = grids([_given({**TABLE, ('snow', 3): None})])
    assert grid.missing == [Cell('snow', 3)]
    assert grid.mean('snow') is grid.mean(severity=3) is grid.mean() is None
    assert grid.mean('fog') == pytest.approx(0.5) and grid.mean(severity=1) == pytest.approx(0.55)
    assert (
        say_missing([grid])
        == 'Not every cell is there, so no mean is given over them: dense lacks snow 3.'
    )


def test_partial_means_are_over_the_cells_that_every_run_has():
    runs = [
        _given({**TABLE, ('snow', 3): None}, name='a'),
        _given({**TABLE, ('fog', 1): None}, name='b'),
    ]
    for grid in grids(runs, partial=True):
        assert grid.mean() == pytest.approx((0.4 + 0.5) / 2) and grid.mean('fog') == pytest.approx(
            0.4
        )
        assert (
            say_missing([grid], partial=True)
            == 'Partial: means are over the 4 of 6 cells that every run has.'
        )


def test_runs_over_other_severities_or_corruptions_give_no_mean_unless_asked():
    runs = [run('a', levels=(1, 3)), run('b', levels=(3,))]
    whole, part = grids(runs)
    assert whole.mean() is not None and part.mean() is None
    first, second = grids(runs, partial=True)
    assert first.mean() == pytest.approx(second.mean()) and first.severities == [1, 3]
    with pytest.raises(ValueError, match="'a', 'b' have no cell in common"):
        grids([run('a', levels=(1,)), run('b', levels=(3,))], partial=True)


@pytest.mark.parametrize(
    'change, sentence',
    [
        (dict(data='d2'), r"the data \(d1 in 'a', 'b'; d2 in 'c'\)"),
        (dict(seed=7), r"the seed of the corruptions \(0 in 'a', 'b'; 7"),
        (
            dict(seed=None),
            r"the seed of the corruptions \(0 in 'a', 'b'; none, published images in 'c'\)",
        ),
        (
            dict(eval_mode='11points'),
            r"the averaging of precision \(area in 'a', 'b'; 11points in 'c'\)",
        ),
        (dict(suite='coco-c'), 'the suite'),
        (dict(images=11), 'the number of images'),
        (dict(metric='coco/bbox_mAP'), 'the metric'),
    ],
)
def test_runs_that_may_not_be_compared_are_refused_by_name(change, sentence):
    with pytest.raises(ValueError, match=f'the runs differ in {sentence}'):
        grids([run('a', eval_mode='area'), run('b', eval_mode='area'), _with('c', change)])


def _with(name, change):
    return Run(name, {**results(), **change})


def test_two_differences_are_one_sentence_and_what_a_run_does_not_say_is_no_difference():
    with pytest.raises(
        ValueError, match=r'in the data \(.*\) and in the seed of the corruptions \(.*\); compare'
    ):
        grids([run('a'), _with('b', dict(seed=1, data='x'))])
    old = {
        key: value
        for key, value in results().items()
        if key not in ('data', 'seed', 'clean_per_class')
    }
    assert len(grids([run('a'), Run('old', old), Run('never evaluated')])) == 2
    assert grids([Run('never evaluated')]) == []


def test_class_means_are_over_the_benchmark_cells_and_need_all_of_them():
    one = run('a', kinds=('fog', 'spatter'), levels=(1, 3), classes=('cat', 'dog'))
    (grid,) = grids([one])
    assert grid.class_means() == pytest.approx(dict.fromkeys(('cat', 'dog'), grid.mean('fog')))
    one.results['cells'][0]['per_class']['dog'] = None
    assert set(grids([one])[0].class_means()) == {'cat'}
    assert grids([run('a')])[0].class_means() == {}


def test_per_cent_and_fractions_are_told_apart():
    assert is_percent(grids([run(whole=100)])) and not is_percent(grids([run()]))


@pytest.mark.parametrize(
    'metric, percent',
    [
        ('accuracy/top1', True),
        ('colour_accuracy/top1', True),
        ('single-label/f1-score', True),
        ('multi-label/mAP', True),
        ('coco/bbox_mAP', False),
        ('mine', False),
    ],
)
def test_accuracies_below_one_per_cent_are_no_fractions(metric, percent):
    """One of 1,000 classes by chance: 0.1 %."""
    one = Run('chance', results(clean=0.3, metric=metric))
    assert one.percent == is_percent(grids([one])) == percent
    assert not Run('never evaluated').percent
