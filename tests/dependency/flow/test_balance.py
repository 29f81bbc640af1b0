"""Sets of items that leave parts equally wide."""

import numpy as np

from mmrobustprune.dependency.flow.balance import Even, even_units


def units(may_go, *rules):
    rules = [Even(np.array(item), np.array(part)) for item, part in rules]
    return [one.tolist() for one in even_units(np.array(may_go, bool), rules)]


def test_without_rules_every_item_goes_alone():
    assert units([1, 0, 1]) == [[0], [2]]


def test_one_of_each_of_three_parts():
    assert units([1] * 6, (range(6), [0, 0, 1, 1, 2, 2])) == [[0, 2, 4], [1, 3, 5]]


def test_what_may_not_go_leaves_fewer_sets():
    assert units([1, 1, 0, 1], (range(4), [0, 0, 1, 1])) == [[0, 3]]


def test_an_item_in_all_parts_is_even_by_itself():
    assert units([1, 1], ([0, 1, 0, 1], [0, 0, 1, 1])) == [[0], [1]]


def test_items_of_several_channels_count_as_many():
    """Item 0 is two channels of the first part; items 1 to 4 are one of the second each."""
    rule = ([0, 0, 5, 5, 1, 2, 3, 4], [0, 0, 0, 0, 1, 1, 1, 1])
    assert units([1] * 6, rule) == [[0, 1, 2], [3, 4, 5]]


def test_two_rules_at_once():
    """Items in a table of 2 by 2 cells, two a cell: rows and columns must stay even.

    The smallest sets take one of a cell and one of the cell across from it.
    """
    rows = (range(8), [0, 0, 0, 0, 1, 1, 1, 1])
    columns = (range(8), [0, 0, 1, 1, 0, 0, 1, 1])
    found = units([1] * 8, rows, columns)
    assert sorted(found) == [[0, 6], [1, 7], [2, 4], [3, 5]]


def test_where_nothing_is_even_nothing_goes():
    assert units([1, 1, 0, 0], (range(4), [0, 0, 1, 1])) == []
