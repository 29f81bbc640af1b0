import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrobustprune.attack import choose_subset


@given(total=st.integers(1, 300), seed=st.integers(0, 9), data=st.data())
def test_random_subsets_are_nested(total, seed, data):
    large = data.draw(st.integers(1, total))
    small = data.draw(st.integers(1, large))
    one, two = (choose_subset(total, size, seed=seed) for size in (small, large))
    assert (
        len(one) == small and set(one) <= set(two) <= set(range(total)) and (np.diff(two) > 0).all()
    )


def test_subsets():
    assert choose_subset(5).tolist() == [0, 1, 2, 3, 4] and choose_subset(
        9, 3, 'first'
    ).tolist() == [0, 1, 2]
    assert choose_subset(100, 10, seed=1).tolist() != choose_subset(100, 10, seed=2).tolist()
    for size in (0, 11):
        with pytest.raises(ValueError, match='give 1 to 10'):
            choose_subset(10, size)
    with pytest.raises(ValueError, match="'random' or 'first'"):
        choose_subset(10, 3, 'last')
