import json
from statistics import fmean

import pytest

from mmrobustprune.corruption import BENCHMARK, Cell, get_suite, summarize
from mmrobustprune.corruption.baselines import ALEXNET, Baseline, error, get_baseline

FULL = get_suite('imagenet-c').choose()
RUN = dict(suite='imagenet-c', metric='accuracy/top1', seed=0, data='abc')
THOUSAND = {str(index): 50.0 for index in range(1000)}
AT = dict(metric='pascal_voc/AP50', suite='voc-c', seed=0, data='abc')


def against_alexnet(clean, values, cells=FULL, run=RUN, classes=THOUSAND, **options):
    return summarize(
        clean,
        values,
        cells,
        baseline=get_baseline('alexnet'),
        run=run,
        clean_per_class=classes,
        **options,
    )


def as_accuracy(errors):
    return {cell: 100 * (1 - value) for cell, value in errors.items()}


def test_alexnet_against_itself_is_100():
    summary = against_alexnet(100 * (1 - ALEXNET.clean), as_accuracy(ALEXNET.errors))
    assert summary.mCE == pytest.approx(100, abs=1e-10) and summary.relative_mCE == pytest.approx(
        100, abs=1e-10
    )
    assert summary.baseline == 'alexnet' and summary.note == ''


def test_alexnet_by_its_severities_is_100_too():
    """Gaussian noise as published severity by severity; only its sum counts."""
    noise = dict(zip(range(1, 6), (0.69528, 0.82542, 0.93554, 0.98138, 0.99452), strict=True))
    errors = {
        **ALEXNET.errors,
        **{Cell('gaussian_noise', level): value for level, value in noise.items()},
    }
    assert fmean(noise.values()) == pytest.approx(0.886428, abs=1e-12)
    assert against_alexnet(56.522, as_accuracy(errors)).mCE == pytest.approx(100, abs=1e-10)


def test_the_fifteen_constants_are_alexnets_and_go_by_name():
    in_order = [ALEXNET.errors[Cell(name, 3)] for name in BENCHMARK]
    assert in_order == [
        0.886428,
        0.894468,
        0.922640,
        0.819880,
        0.826268,
        0.785948,
        0.798360,
        0.866816,
        0.826572,
        0.819324,
        0.564592,
        0.853204,
        0.646056,
        0.717840,
        0.606500,
    ]
    assert ALEXNET.errors[Cell('brightness', 1)] == min(in_order) and len(ALEXNET.errors) == 75
    assert ALEXNET.clean == pytest.approx(0.43478)


def test_mce_by_hand():
    """Half of AlexNet's error under noise (3 of 15 corruptions), all of it elsewhere: (3 * 50 + 12
    * 100) / 15 = 90.
    """
    noise = ('gaussian_noise', 'shot_noise', 'impulse_noise')
    values = as_accuracy(
        {
            cell: value * (0.5 if cell.corruption in noise else 1)
            for cell, value in ALEXNET.errors.items()
        }
    )
    assert against_alexnet(56.522, values).mCE == pytest.approx(90)
    shuffled = dict(
        sorted(values.items(), key=lambda item: (item[0].severity, item[0].corruption[::-1]))
    )
    assert against_alexnet(56.522, shuffled, cells=tuple(shuffled)).mCE == pytest.approx(90)


def test_relative_mce_takes_the_clean_error_off_both():
    """A perfect clean model that corruptions make as bad as AlexNet loses more: mean of E / (E -
    .43478).
    """
    summary = against_alexnet(100.0, as_accuracy(ALEXNET.errors))
    assert summary.mCE == pytest.approx(100)
    assert summary.relative_mCE == pytest.approx(
        100
        * fmean(
            ALEXNET.errors[Cell(name, 1)] / (ALEXNET.errors[Cell(name, 1)] - 0.43478)
            for name in BENCHMARK
        )
    )


def test_extra_corruptions_do_not_count():
    cells = get_suite('imagenet-c').choose('all')
    values = {cell: 0.0 for cell in cells} | as_accuracy(ALEXNET.errors)
    assert against_alexnet(56.522, values, cells).mCE == pytest.approx(100)


@pytest.mark.parametrize(
    'cells, values',
    [
        (get_suite('imagenet-c').choose(severities=3), as_accuracy(ALEXNET.errors)),
        (get_suite('imagenet-c').choose('noise'), as_accuracy(ALEXNET.errors)),
        (
            FULL,
            {
                cell: value
                for cell, value in as_accuracy(ALEXNET.errors).items()
                if cell != Cell('fog', 2)
            },
        ),
    ],
)
@pytest.mark.parametrize('partial', [False, True])
def test_alexnet_needs_all_75_cells_asked_for_or_not(cells, values, partial):
    summary = against_alexnet(
        56.522, {cell: values[cell] for cell in cells if cell in values}, cells, partial=partial
    )
    assert summary.mCE is None and summary.relative_mCE is None
    missing = 75 - len([cell for cell in cells if cell in values])
    assert (
        f'no mCE: {missing} of the 75 benchmark cells that it takes are missing here or in alexnet.'
        in summary.note
    )


@pytest.mark.parametrize(
    'change, said',
    [
        (
            dict(suite='imagenet-c-at-32'),
            'alexnet has suite imagenet-c and this run suite imagenet-c-at-32',
        ),
        (
            dict(metric='accuracy/top5'),
            'alexnet has metric accuracy/top1 and this run metric accuracy/top5',
        ),
        (
            dict(suite='voc-c', metric='pascal_voc/AP50'),
            'metric accuracy/top1, suite imagenet-c and this run metric pascal_voc/AP50, '
            'suite voc-c',
        ),
    ],
)
def test_alexnet_is_for_imagenet_c_and_top_1_alone(change, said):
    summary = against_alexnet(0.5, {cell: 0.4 for cell in FULL}, run={**RUN, **change})
    assert summary.mCE is None and said in summary.note


def test_alexnet_is_for_the_thousand_classes():
    """suite='auto' calls every classifier's images imagenet-c; flowers against AlexNet would be a
    number without a meaning.
    """
    summary = against_alexnet(
        50.0, {cell: 40.0 for cell in FULL}, classes={'rose': 50.0, 'lily': 50.0}
    )
    assert summary.mCE is None and 'alexnet has classes 1000 and this run classes 2' in summary.note
    assert (
        'this run classes unknown'
        in against_alexnet(50.0, {cell: 40.0 for cell in FULL}, classes=None).note
    )


def results(clean, values, **about):
    return dict(
        AT,
        clean={'pascal_voc/AP50': clean},
        cells=[
            {'corruption': cell.corruption, 'severity': cell.severity, 'pascal_voc/AP50': value}
            for cell, value in values.items()
        ],
        **about,
    )


def test_another_run_is_a_baseline_by_hand():
    """Errors .5 and .7 (ours) to .6 and .8 (theirs): 1.2 / 1.4 = 6/7; less the clean .2 and .3:
    (1.2 - .4) / (1.4 - .6).
    """
    cells = get_suite('voc-c').choose('fog', [1, 3])
    theirs = get_baseline(results(0.7, dict(zip(cells, (0.4, 0.2), strict=True))))
    summary = summarize(
        0.8, dict(zip(cells, (0.5, 0.3), strict=True)), cells, baseline=theirs, run=AT
    )
    assert summary.mCE == pytest.approx(600 / 7) and summary.relative_mCE == pytest.approx(100)
    assert summary.note == 'mCE over 1 of 15 corruptions, severities 1 3.'


def test_every_run_against_itself_is_100():
    cells = get_suite('voc-c').choose()
    values = {cell: 0.6 - 0.01 * index % 0.3 for index, cell in enumerate(cells)}
    summary = summarize(0.7, values, cells, baseline=get_baseline(results(0.7, values)), run=AT)
    assert (
        summary.mCE == pytest.approx(100)
        and summary.relative_mCE == pytest.approx(100)
        and summary.note == ''
    )


@pytest.mark.parametrize(
    'key, value', [('data', 'xyz'), ('seed', 1), ('suite', 'coco-c'), ('metric', 'pascal_voc/mAP')]
)
def test_runs_on_other_data_are_no_baseline(key, value):
    cells = get_suite('voc-c').choose('fog')
    theirs = get_baseline(results(0.7, {cell: 0.5 for cell in cells}))
    summary = summarize(
        0.7, {cell: 0.5 for cell in cells}, cells, baseline=theirs, run={**AT, key: value}
    )
    assert summary.mCE is None and f'{key} {AT[key]} and this run {key} {value}' in summary.note
    assert (
        f'this run {key} unknown'
        in summarize(
            0.7,
            {cell: 0.5 for cell in cells},
            cells,
            baseline=theirs,
            run={name: one for name, one in AT.items() if name != key},
        ).note
    )


def test_published_images_are_no_baseline_of_computed_ones():
    cells = get_suite('voc-c').choose('fog')
    theirs = get_baseline(dict(results(0.7, {cell: 0.5 for cell in cells}), seed=None))
    summary = summarize(0.7, {cell: 0.5 for cell in cells}, cells, baseline=theirs, run=AT)
    assert summary.mCE is None and f'seed None and this run seed {AT["seed"]}' in summary.note


def test_a_baseline_without_a_cell_gives_none():
    cells = get_suite('voc-c').choose('fog')
    theirs = get_baseline(results(0.7, {cell: 0.5 for cell in cells[:-1]}))
    summary = summarize(
        0.7, {cell: 0.5 for cell in cells}, cells, baseline=theirs, run=AT, partial=True
    )
    assert summary.mCE is None and '1 of the 5 benchmark cells' in summary.note


def test_a_baseline_that_makes_no_error_divides_nothing():
    cells = get_suite('voc-c').choose('fog', [1, 2])
    values = {cell: 0.5 for cell in cells}
    perfect = summarize(
        0.7,
        values,
        cells,
        baseline=get_baseline(results(1.0, {cell: 1.0 for cell in cells})),
        run=AT,
    )
    assert perfect.mCE is None and 'makes no error under fog' in perfect.note
    unhurt = summarize(
        0.7,
        values,
        cells,
        baseline=get_baseline(results(0.6, {cell: 0.6 for cell in cells})),
        run=AT,
    )
    assert (
        unhurt.mCE == pytest.approx(125)
        and unhurt.relative_mCE is None
        and 'fog adds no error' in unhurt.note
    )


def test_without_a_clean_error_there_is_no_relative_mce():
    cells = get_suite('voc-c').choose()
    theirs = Baseline('theirs', None, {cell: 0.4 for cell in cells})
    summary = summarize(0.7, {cell: 0.5 for cell in cells}, cells, baseline=theirs, run=AT)
    assert summary.mCE == pytest.approx(125) and summary.relative_mCE is None
    assert summary.note == 'no relative mCE: the clean error of theirs is not known.'


def test_a_baseline_is_read_from_a_file_or_its_folder(tmp_path):
    cells = get_suite('voc-c').choose('fog')
    (tmp_path / 'dense').mkdir()
    (tmp_path / 'dense' / 'results.json').write_text(
        json.dumps(results(0.7, {cell: 0.5 for cell in cells}))
    )
    for path in (tmp_path / 'dense', str(tmp_path / 'dense' / 'results.json')):
        assert get_baseline(path).name == 'dense' and get_baseline(path).errors == {
            cell: 0.5 for cell in cells
        }
    with pytest.raises(
        FileNotFoundError,
        match="baseline 'alexnett' is neither a name .did you mean 'alexnet'.. nor a file",
    ):
        get_baseline('alexnett')
    (tmp_path / 'other.json').write_text('[1]')
    (tmp_path / 'run.json').write_text('{"metric": "pascal_voc/AP50"}')
    with pytest.raises(ValueError, match='other.json holds no results'):
        get_baseline(tmp_path / 'other.json')
    with pytest.raises(ValueError, match='cells. is not there'):
        get_baseline(tmp_path / 'run.json')


def test_errors_are_of_known_metrics():
    assert error(40.0, 'accuracy/top1') == pytest.approx(0.6) and error(
        0.4, 'coco/bbox_mAP'
    ) == pytest.approx(0.6)
    with pytest.raises(ValueError, match="best value of metric 'other/score' is not known"):
        error(0.4, 'other/score')


def test_a_run_that_does_not_say_its_metric_has_no_errors():
    cells = get_suite('voc-c').choose('fog')
    with pytest.raises(ValueError, match="best value of metric 'None' is not known"):
        summarize(
            0.7,
            {cell: 0.5 for cell in cells},
            cells,
            baseline=Baseline('theirs', 0.1, {cell: 0.4 for cell in cells}),
        )


def test_images_that_were_not_the_published_ones_are_said():
    values = as_accuracy(ALEXNET.errors)
    for stored, words in (
        (None, 'in the same way with other random numbers'),
        ('data/imagenet-c', ''),
    ):
        found = ALEXNET.compare(50.0, values, FULL, dict(RUN, classes=1000, stored=stored))
        assert found.mCE == pytest.approx(100) and (
            words in found.note if words else not found.note
        )
