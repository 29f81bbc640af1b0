"""The clean-robust gap with both its terms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrobustprune.report.tables.gap import gap, gap_card

accuracy = st.floats(0, 100)


def test_a_gap_that_closed_because_clean_fell_says_so():
    found = gap((90.0, 40.0), (82.75, 51.19))  # (90 - 40) - (82.75 - 51.19)
    assert found.value == pytest.approx(18.44) and found.clean_lost == pytest.approx(7.25)
    assert found.text() == '+18.44 (clean −7.25, robust +11.19)'


@given(clean=accuracy, robust=accuracy, ours_clean=accuracy, ours_robust=accuracy)
def test_the_terms_make_the_gap(clean, robust, ours_clean, ours_robust):
    found = gap((clean, robust), (ours_clean, ours_robust))
    assert found.value == pytest.approx((clean - robust) - (ours_clean - ours_robust), abs=1e-9)
    assert gap((ours_clean, ours_robust), (clean, robust)).value == pytest.approx(
        -found.value, abs=1e-9
    )


def test_the_table_shows_the_terms_beside_the_gap():
    card = gap_card({'ResNet-18, 80 %': ((80.0, 47.55), (79.61, 48.30))})
    assert card.markdown().splitlines() == [
        '|  | clean | robust | gap closed |',
        '| --- | ---: | ---: | ---: |',
        '| ResNet-18, 80 % | -0.39 | +0.75 | +1.14 |',
    ]
