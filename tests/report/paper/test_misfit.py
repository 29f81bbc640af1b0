import pytest

from mmrobustprune.report.paper import Row, Table, TableColumn
from mmrobustprune.report.paper.misfit import why_not
from tests.report.paper.runs import run

TABLE = Table(
    'small',
    ('method',),
    (TableColumn('top1', ('top1',), dict(data='in1k')),),
    (
        Row(('ours, .8',), dict(method='adasap', target=0.8)),
        Row(('plain',), dict(method=('magnitude', 'taylor'), target=0.8, start='')),
    ),
)


@pytest.mark.parametrize(
    'facts, said',
    [
        (
            dict(method='adasap', target=0.7, data='in1k'),
            "has target 0.7 where 'ours, .8' wants 0.8",
        ),
        (dict(method='adasap', target=0.8), "has data nothing where 'ours, .8' wants in1k"),
        (
            dict(method='taylor', target=0.8, data='in1k', start='x.pth'),
            "has start x.pth where 'plain' wants none",
        ),
        (
            dict(method='hydra', target=0.8, data='in1k'),
            "has method hydra where 'ours, .8' wants adasap",
        ),
        (dict(method='adasap', target=0.8, data='in1k'), 'has none of the numbers of its row'),
    ],
)
def test_the_field_that_keeps_a_run_from_the_nearest_row_is_named(facts, said):
    assert why_not(run(**facts), TABLE) == said
