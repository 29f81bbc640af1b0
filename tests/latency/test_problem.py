"""Problems that are none."""

import numpy as np
import pytest

from mmrobustprune.latency import Factor, Problem


@pytest.mark.parametrize(
    'values, factors',
    [
        ({'v': np.array([1.0, np.nan])}, []),
        ({'v': np.array([])}, []),
        ({'v': np.array([1.0])}, [Factor(('v',), np.array([np.inf]))]),
    ],
)
def test_numbers_that_are_not_finite_are_refused(values, factors):
    with pytest.raises(ValueError, match='finite'):
        Problem(values, tuple(factors))


def test_tables_of_another_shape_are_refused():
    with pytest.raises(ValueError, match='one axis per variable'):
        Problem({'v': np.array([1.0, 2.0])}, (Factor(('v',), np.ones(3)),))
