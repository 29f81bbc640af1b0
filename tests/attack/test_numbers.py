import math

import pytest

from mmrobustprune.attack.numbers import check_number, number, refuse_grey_levels


def test_numbers():
    assert (number('8/255'), number(' 0.5 '), number(2), number('1e-3')) == (
        8 / 255,
        0.5,
        2.0,
        0.001,
    )


@pytest.mark.parametrize('value', [-0.1, math.nan, math.inf, True, '3', None])
def test_what_is_no_number_of_that_size_is_refused(value):
    with pytest.raises(ValueError, match='pgd got step=.*; give a number of at least 0'):
        check_number('pgd', 'step', value)


def test_whole_numbers():
    check_number('pgd', 'steps', 3, 1, whole=True)
    check_number('pgd', 'steps', 3.0, 1, whole=True)
    for value in (0, 2.5):
        with pytest.raises(ValueError, match=f'steps={value}; give a whole number of at least 1'):
            check_number('pgd', 'steps', value, 1, whole=True)


def test_grey_levels_are_no_lengths_in_pixels():
    refuse_grey_levels('pgd', 'eps', 1)
    with pytest.raises(ValueError, match='pgd got eps=8; .* write 8/255 for 8 grey levels'):
        refuse_grey_levels('pgd', 'eps', 8)
