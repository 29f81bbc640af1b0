"""Channels tied to one another become units, and units of one make-up a group."""

import numpy as np

from mmrobustprune.dependency.flow.coupling import Coupling


def linked(*links, widths):
    coupling = Coupling()
    coupling.widths.update(widths)
    for a, of_a, b, of_b in links:
        coupling.link(a, np.array(of_a), b, np.array(of_b))
    return coupling


def sides(*layers):
    """Every layer has an output slot and an input slot."""
    found = {}
    for layer in layers:
        found[f'{layer}.out'] = (layer, 'out')
        found[f'{layer}.in'] = (layer, 'in')
    return found


def indices(group):
    return {(part.layer, part.side): part.index.tolist() for part in group.slices}


def test_an_output_and_the_input_that_reads_it_shifted():
    """b reads a's three channels at places 1 to 3, beside a channel of somebody else."""
    widths = {'a.out': 3, 'a.in': 1, 'b.in': 4, 'b.out': 2}
    coupling = linked(('a.out', [0, 1, 2], 'b.in', [1, 2, 3]), widths=widths)
    groups, unprunable = coupling.solve(sides('a', 'b'), {'a', 'b'}, ['a', 'b'])
    (group,) = groups
    assert (group.name, group.units) == ('a', 3)
    assert indices(group) == {('a', 'out'): [[0], [1], [2]], ('b', 'in'): [[1], [2], [3]]}
    assert unprunable == {'b': 'no layer that can shrink reads it'}


def test_a_sum_ties_two_producers_and_a_flattening_makes_units_of_several_channels():
    coupling = linked(
        ('a.out', [0, 1], 'sum', [0, 1]),
        ('b.out', [0, 1], 'sum', [0, 1]),
        ('sum', [0, 0, 1, 1], 'c.in', [0, 1, 2, 3]),
        widths={'a.out': 2, 'b.out': 2, 'sum': 2, 'c.in': 4},
    )
    slots = {'a.out': ('a', 'out'), 'b.out': ('b', 'out'), 'c.in': ('c', 'in')}
    groups, unprunable = coupling.solve(slots, {'a', 'b', 'c'}, ['a', 'b', 'c'])
    (group,) = groups
    assert indices(group) == {
        ('a', 'out'): [[0], [1]],
        ('b', 'out'): [[0], [1]],
        ('c', 'in'): [[0, 1], [2, 3]],
    }
    assert unprunable == {}


def test_units_of_another_make_up_are_another_group_of_the_same_layer():
    """Two of a's channels are read by b alone, the third by c as well."""
    coupling = linked(
        ('a.out', [0, 1, 2], 'b.in', [0, 1, 2]),
        ('a.out', [2], 'c.in', [0]),
        widths={'a.out': 3, 'b.in': 3, 'c.in': 1},
    )
    slots = {'a.out': ('a', 'out'), 'b.in': ('b', 'in'), 'c.in': ('c', 'in')}
    groups, _ = coupling.solve(slots, {'a', 'b', 'c'}, ['a', 'b', 'c'])
    assert [(group.name, group.units) for group in groups] == [('a', 2), ('a#2', 1)]
    assert indices(groups[1]) == {('a', 'out'): [[2]], ('b', 'in'): [[2]], ('c', 'in'): [[0]]}


def test_the_first_reason_to_stay_counts_for_all_that_is_tied():
    coupling = linked(('a.out', [0, 1], 'b.in', [0, 1]), widths={'a.out': 2, 'b.in': 2})
    coupling.keep('b.in', 'it is closed')
    coupling.keep('b.in', 'something else')
    slots = {'a.out': ('a', 'out'), 'b.in': ('b', 'in')}
    assert coupling.solve(slots, {'a', 'b'}, ['a', 'b']) == ((), {'a': 'it is closed'})


def test_channels_that_end_in_a_product_need_no_reader():
    """Two halves of one layer, multiplied with each other: what a sum of products reads."""
    coupling = linked(('a.out', [2, 3], 'a.out', [0, 1]), widths={'a.out': 4, 'a.in': 1})
    coupling.end('a.out', np.array([0, 1]))
    (group,), unprunable = coupling.solve(sides('a'), {'a'}, ['a'])
    assert indices(group) == {('a', 'out'): [[0, 2], [1, 3]]} and not unprunable
