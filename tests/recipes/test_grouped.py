import pytest
import torch

from mmrobustprune.grouped_kernels import build_grouping
from mmrobustprune.recipes import build_recipe


def grouped(recipe='sr_gkp', **fields):
    return build_recipe(dict(recipe=recipe, target=0.5, **fields))


def test_sr_gkp_and_tmi_gkp_differ_in_grouping_and_search():
    assert (grouped().grouping, grouped().search) == ('snaking', 'beam')
    tickets = grouped('tmi_gkp', snapshots='epoch_*.pth')
    assert (tickets.grouping, tickets.search, tickets.snapshots) == ('tmi', 'tmi', ('epoch_*.pth',))
    assert tickets.snapshot_epochs == (35, 70)


def test_all_convolutions_as_the_released_code_prunes_them():
    """The same layers by the same names as the paper's way, but for what decides."""
    conv = torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(0)).double()
    recipe = grouped('sr_gkp_all')
    order = build_grouping(recipe.grouping)('x', conv, 8).argsort()
    sums = conv.sum((1, 2, 3))[order]
    assert recipe.layers == 'all' and torch.equal(sums, sums.sort(descending=True).values)
    assert (recipe.search, recipe.pointwise) == ('official', 'greedy')


@pytest.mark.parametrize(
    'fields, message',
    [
        (dict(recipe='tmi_gkp'), 'has 0 snapshots; TMI alone needs them'),
        (dict(snapshots=['a.pth', 'b.pth']), 'has 2 snapshots; TMI alone needs them'),
        (dict(search='beams'), "did you mean 'beam'"),
        (dict(pointwise='greedi'), "did you mean 'greedy'"),
        (dict(grouping='snake'), 'unknown grouping'),
        (dict(form='fast'), "form='fast' is not known"),
        (dict(finetune_rule=dict(type='SAM', rho=-1)), 'rho=-1'),
    ],
)
def test_wrong_fields_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        grouped(**fields)
