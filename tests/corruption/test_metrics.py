import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrobustprune.corruption import BENCHMARK, Cell, get_suite, summarize
from mmrobustprune.corruption.metrics import ratio

SUITE = get_suite('voc-c')


def test_absent_severities_are_not_zeros():
    """0.4 clean and 0.2 at severities 1, 3, 5 is mPC 0.2 and rPC 50 %, not 0.12 and 30 %."""
    cells = SUITE.choose(severities=[1, 3, 5])
    summary = summarize(0.4, dict.fromkeys(cells, 0.2), cells)
    assert summary.mPC == pytest.approx(0.2, abs=1e-15)
    assert summary.rPC == pytest.approx(0.5, abs=1e-15)
    assert summary.note == ''


def test_missing_cells_give_no_mean_unless_asked_and_then_it_says_so():
    cells = SUITE.choose(['fog', 'snow'], [1, 2])
    values = {Cell('snow', 1): 0.3, Cell('snow', 2): 0.1, Cell('fog', 1): 0.2}
    strict = summarize(0.5, values, cells)
    assert strict.mPC is None and strict.rPC is None and strict.R_C is None
    assert strict.per_corruption == {'snow': pytest.approx(0.2), 'fog': None}
    assert strict.per_severity == {'1': pytest.approx(0.25), '2': None}
    assert '1 of 4 cells' in strict.note
    partial = summarize(0.5, values, cells, partial=True)
    assert partial.mPC == pytest.approx(0.2) and '3 of 4' in partial.note


def test_rpc_is_the_ratio_of_the_means():
    """Two classes of AP (.8, .2) clean and (.4, .2) corrupted: .3/.5 = .6, not (.5 + 1)/2."""
    cells = SUITE.choose('fog', 3)
    assert summarize((0.8 + 0.2) / 2, {cells[0]: (0.4 + 0.2) / 2}, cells).rPC == pytest.approx(0.6)


def test_mpc_is_over_the_benchmark_and_r_c_over_everything():
    cells = SUITE.choose('all', 3)
    values = {cell: 0.3 if cell.corruption in BENCHMARK else 0.6 for cell in cells}
    summary = summarize(0.6, values, cells)
    assert summary.mPC == pytest.approx(0.3) and summary.rPC == pytest.approx(0.5)
    assert summary.R_C == pytest.approx((15 * 0.3 + 4 * 0.6) / 19 / 0.6)


def test_the_published_reference_ratio():
    """Faster R-CNN R50-FPN on Pascal VOC: 80.5 clean, 48.6 mPC, 60.4 % (arXiv 1907.07484)."""
    cells = SUITE.choose()
    assert round(100 * summarize(80.5, dict.fromkeys(cells, 48.6), cells).rPC, 1) == 60.4


def test_nothing_clean_gives_no_ratio():
    cells = SUITE.choose('fog', 3)
    summary = summarize(0.0, {cells[0]: 0.0}, cells)
    assert summary.rPC is None and summary.R_C is None and summary.mPC == 0.0


@pytest.mark.parametrize('value', [float('nan'), float('inf'), None])
def test_a_value_that_is_no_number_is_refused_by_name(value):
    cells = SUITE.choose('fog', 3)
    with pytest.raises(ValueError, match='fog 3'):
        summarize(0.5, {cells[0]: value}, cells)


def test_nothing_asked_for_is_refused():
    with pytest.raises(ValueError, match='no cell'):
        summarize(0.5, {}, ())


def test_others_than_the_cells_asked_for_do_not_count():
    cells = SUITE.choose('fog', 3)
    assert summarize(1.0, {cells[0]: 0.5, Cell('fog', 5): 0.0}, cells).mPC == 0.5


@given(st.lists(st.floats(0, 1), min_size=6, max_size=6), st.floats(0.01, 1), st.randoms())
def test_the_order_of_cells_does_not_matter_and_rows_average_to_mpc(values, clean, random):
    cells = list(SUITE.choose(['snow', 'frost', 'fog'], [2, 4]))
    table = dict(zip(cells, values, strict=True))
    before = summarize(clean, table, cells)
    random.shuffle(cells)
    after = summarize(clean, table, cells)
    assert after.mPC == pytest.approx(before.mPC, abs=1e-12)
    rows = list(before.per_corruption.values())
    assert sum(rows) / 3 == pytest.approx(before.mPC, abs=1e-12)


def test_a_summary_is_plain_json():
    cells = SUITE.choose('fog', [1, 2])
    summary = summarize(0.5, dict.fromkeys(cells, 0.25), cells)
    assert json.loads(json.dumps(summary.to_dict())) == dict(
        P=0.5,
        mPC=0.25,
        rPC=0.5,
        R_C=0.5,
        per_corruption={'fog': 0.25},
        per_severity={'1': 0.25, '2': 0.25},
        note='',
        per_class={},
        mCE=None,
        relative_mCE=None,
        baseline=None,
    )


def test_classes_have_ratios_of_means_too():
    """Class cat .8 clean, .6 and .2 corrupted: mPC .4, rPC .5; dog .4 clean, .4 and .1: mPC .25,
    rPC .625.
    """
    cells = SUITE.choose('fog', [1, 3])
    table = [dict(cat=0.6, dog=0.4), dict(cat=0.2, dog=0.1)]
    summary = summarize(
        0.6,
        dict(zip(cells, (0.5, 0.15), strict=True)),
        cells,
        clean_per_class=dict(cat=0.8, dog=0.4),
        per_class=dict(zip(cells, table, strict=True)),
    )
    assert summary.per_class == dict(
        cat=dict(P=0.8, mPC=pytest.approx(0.4), rPC=pytest.approx(0.5)),
        dog=dict(P=0.4, mPC=0.25, rPC=pytest.approx(0.625)),
    )
    assert summary.rPC == pytest.approx(0.325 / 0.6)  # and not (.5 + .625) / 2


def test_classes_without_a_number_are_left_out_and_missing_cells_give_no_mean():
    cells = SUITE.choose('fog', [1, 3])
    table = {cells[0]: dict(cat=0.6, owl=None), cells[1]: dict(owl=0.1)}
    clean = dict(cat=0.8, owl=0.4, gnu=None, elk=float('nan'))
    strict, partial = (
        summarize(
            0.6, dict.fromkeys(cells, 0.5), cells, partial, clean_per_class=clean, per_class=table
        )
        for partial in (False, True)
    )
    none = dict(mPC=None, rPC=None)
    assert strict.per_class == dict(cat=dict(P=0.8, **none), owl=dict(P=0.4, **none))
    assert partial.per_class == dict(
        cat=dict(P=0.8, mPC=0.6, rPC=pytest.approx(0.75)), owl=dict(P=0.4, mPC=0.1, rPC=0.25)
    )


def test_classes_count_over_the_benchmark_alone():
    cells = SUITE.choose(['fog', 'spatter'], 3)
    table = {cell: dict(cat=0.6 if cell.corruption == 'fog' else 0.0) for cell in cells}
    assert (
        summarize(
            0.6, dict.fromkeys(cells, 0.5), cells, clean_per_class=dict(cat=0.8), per_class=table
        ).per_class['cat']['mPC']
        == 0.6
    )


@pytest.mark.parametrize('corrupted, clean, printed', [(42.46, 77.32, 0.54), (64.79, 77.32, 0.84)])
def test_the_published_ratios_of_a_dense_resnet50(corrupted, clean, printed):
    """R_C and R_V2 of arXiv 2306.14306; its digits are cut, not rounded (.549 is printed .54)."""
    assert ratio(corrupted, clean) == pytest.approx(printed, abs=0.01)


def test_nothing_is_left_of_nothing():
    assert ratio(10.0, 0.0) is None and ratio(None, 50.0) is None and ratio(0.0, 50.0) == 0.0
