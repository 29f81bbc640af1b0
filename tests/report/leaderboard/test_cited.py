"""Rows of a paper become cards that say so."""

import pytest

from mmrobustprune.report.leaderboard.cited import read_cited
from mmrobustprune.report.leaderboard.result_card import CITED

HEAD = 'board,method,source,metric,params,clean,pgd\n'


def write(folder, text):
    path = folder / 'rows.csv'
    path.write_text(text)
    return path


def test_rows_are_cards(tmp_path):
    rows = 'ResNet-56,SFP,"SR-GKP, Table 1",top1,850000,93.1,\nResNet-56,FPGM,x,top1,,93.4,1.5\n'
    one, other = read_cited(write(tmp_path, HEAD + rows))
    assert (one.name, one.status, one.source) == ('cited-resnet-56-sfp', CITED, 'SR-GKP, Table 1')
    assert one.cost == dict(params=850000.0) and one.numbers == dict(clean=93.1)
    assert other.numbers == dict(clean=93.4, pgd=1.5)


@pytest.mark.parametrize(
    'text, sentence',
    [
        (HEAD, 'has no row below its heads'),
        ('board,method\na,b\n', "has no column 'source'; it needs board, method, source, metric"),
        (HEAD + 'a,b,c,top1,,x,\n', "line 2: clean is 'x'; give a number, or leave it empty"),
        (HEAD + 'a,b,c,top1,,,\n', 'has no numbers; give at least one'),
    ],
)
def test_wrong_rows_are_said(tmp_path, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_cited(write(tmp_path, text))
