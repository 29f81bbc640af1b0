import pytest

from mmrobustprune.scores import FilterNorm
from tests.scores.nets import close, net


@pytest.mark.parametrize('p, expected', [(1, [7.0, 2.0]), (2, [5.0, 2**0.5])])
def test_the_own_filters_alone_count(p, expected):
    """Filters (3 4) and (-1 1); `Magnitude` adds 12 and 1, by which the next layer reads them."""
    model, groups = net()
    score = FilterNorm(p)
    assert close(score(model, groups)['0'], expected)
    assert close(score.filters(model)['0'], expected)


def test_other_norms_are_refused():
    with pytest.raises(ValueError, match='p=1 or p=2, not 3'):
        FilterNorm(p=3)
