"""Snapshots vote for groupings."""

import torch

from mmrobustprune.grouped_kernels import (
    TMI,
    Given,
)


def test_tmi_prefers_groups_that_grew_alike():
    final = torch.ones(4, 1, 1, 1).double()
    early = torch.tensor([0.9, 0.1, 0.9, 0.1]).view(4, 1, 1, 1)  # increases .1 .9 .1 .9
    alike, apart = Given(dict(x=[0, 0, 1, 1])), Given(dict(x=[0, 1, 0, 1]))
    for candidates in ((alike, apart), (apart, alike)):
        labels = TMI([{'x.weight': early}], candidates)('x', final, 2)
        assert labels.tolist() == [0, 0, 1, 1]


def test_tmi_counts_votes_and_then_the_longest_run():
    final = torch.ones(4, 1, 1, 1).double()
    first, second = (
        {'x.weight': 1 - torch.tensor(increase).view(4, 1, 1, 1)}
        for increase in ([0.1, 0.9, 0.1, 0.9], [0.1, 0.1, 0.9, 0.9])
    )  # for which of the candidates each votes
    candidates = Given(dict(x=[0, 0, 1, 1])), Given(dict(x=[0, 1, 0, 1]))

    def chosen(*snapshots):
        return TMI(snapshots, candidates)('x', final, 2).tolist()

    assert chosen(first, second, first) == [0, 0, 1, 1]
    assert chosen(second, first, second) == [0, 1, 0, 1]
    assert chosen(first, second, first, second, second, first) == [
        0,
        1,
        0,
        1,
    ]  # three each, but two in a row
