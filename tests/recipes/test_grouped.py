import pytest

from mmrobustprune.recipes import build_recipe


def grouped(recipe='sr_gkp', **fields):
    return build_recipe(dict(recipe=recipe, target=0.5, **fields))


def test_sr_gkp_and_tmi_gkp_differ_in_grouping_and_search():
    assert (grouped().grouping, grouped().search) == ('snaking', 'beam')
    tickets = grouped('tmi_gkp', snapshots='epoch_*.pth')
    assert (tickets.grouping, tickets.search, tickets.snapshots) == ('tmi', 'tmi', ('epoch_*.pth',))


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
