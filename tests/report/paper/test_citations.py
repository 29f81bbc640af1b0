"""Numbers of the literature in the tables, and the papers' own numbers printed again."""

import csv
from pathlib import Path

import pytest

from mmrobustprune.report.paper import TABLES, fill, get_table, notes, read_cited, shipped
from mmrobustprune.report.paper.citations import SHIPPED
from mmrobustprune.report.paper.write import heads, texts
from tests.report.paper.runs import line
from tests.report.paper.test_adasap import OURS, dense, pruned

PRINTED = sorted((Path(__file__).parent / 'printed').glob('*.csv'))
BOLD = '**{}**'


def written(folder, text):
    (folder / 'rows.csv').write_text(text)
    return folder / 'rows.csv'


@pytest.mark.parametrize('file', PRINTED, ids=lambda file: file.stem)
def test_a_printed_table_comes_out_of_its_printed_numbers(file, tmp_path):
    """Bold included; of a paper's table there are the cells whose numbers are at hand."""
    head, *rows = csv.reader(file.read_text().splitlines())
    table = get_table(file.stem)
    plain = written(tmp_path, file.read_text().replace('**', ''))
    filled = fill(table, [], cited=read_cited(plain, table))
    found = [dict(zip(heads(filled), row, strict=True)) for row in texts(filled, BOLD)]
    labels = len(table.heads)
    for row in rows:
        (own,) = [one for one in found if [*one.values()][:labels] == row[:labels]]
        assert [own[name] for name in head] == row
    assert len(found) >= len(rows)


def test_the_overhead_of_printed_hours_is_that_of_the_original():
    """3.27 and 3.96 hours: 21.1 % of the former, where the paper divides by the latter."""
    table = TABLES['s2ap-7']
    cited = read_cited(Path(__file__).parent / 'printed' / 's2ap-7.csv', table)
    assert line(fill(table, [], cited=cited), 'CIFAR-10', 'ResNet18', '-')[-1] == '+21.1'


def test_cited_rows_stand_in_their_block_and_compete(tmp_path):
    table = TABLES['adasap-8']
    file = written(
        tmp_path,
        'network,method,kept,Size,Val,IN-C\n'
        'MobileNetV1,EagleEye,0.56,0.56,70.9,-\n'
        'MobileNetV1,PolarReg,0.56,,72.5,\n',
    )
    runs = [pruned('adasap', 0.44, 72.0, config='mobilenet-v1_x_in1k', **OURS)]
    filled = fill(table, runs, cited=read_cited(file, table))
    names = [row.labels[1] for row in filled.rows if row.labels[::2] == ('MobileNetV1', '0.56')]
    assert names == ['EagleEye', 'PolarReg', 'Taylor', 'AdaSAP_P']
    assert line(filled, 'MobileNetV1', 'EagleEye', '0.56')[:2] == ['0.56', '70.90']
    assert line(filled, 'MobileNetV1', 'PolarReg', '0.56')[1] == '**72.50**'
    assert line(filled, 'MobileNetV1', 'AdaSAP_P', '0.56')[1] == '72.00'
    said = 'Cited, not measured here: MobileNetV1, EagleEye, 0.56; MobileNetV1, PolarReg, 0.56.'
    assert said in notes(filled)


def test_a_row_that_no_other_is_like_ends_the_table(tmp_path):
    table = TABLES['adasap-11']
    file = written(tmp_path, 'method,kept,Val\nEagleEye,0.50,75.1 ± 0.2\n')
    filled = fill(table, [], cited=read_cited(file, table))
    assert filled.rows[-1].labels == ('EagleEye', '0.50')
    assert line(filled, 'EagleEye', '0.50')[1] == '75.10 ± 0.20'


def test_what_is_shipped_stands_where_nothing_was_run():
    table = TABLES['adasap-9']
    filled = fill(table, [], cited=shipped('adasap-9', table))
    assert line(filled, 'MobileNetV1', '0.75x MobileNetV1', '-')[:2] == ['1.37', '68.40']
    for file in SHIPPED.glob('*.csv'):
        assert shipped(file.stem, get_table(file.stem))
    assert shipped('s2ap-1', TABLES['s2ap-1']) == []
    run = dense(68.0, 'mobilenet-v1-x0.75_8xb128_in1k')
    both = fill(table, [run], cited=shipped('adasap-9', table))
    assert line(both, 'MobileNetV1', '0.75x MobileNetV1', '-')[:2] == ['-', '68.00']
    assert not any('Cited' in note for note in notes(both))
    given = read_cited(SHIPPED / 'adasap-9.csv', table)
    with pytest.raises(ValueError, match='is cited and was run, too; leave the run or the line'):
        fill(table, [run], cited=given)


@pytest.mark.parametrize(
    'text, said',
    [
        ('method,Val\nA,70\n', 'begins with method, Val, the table with method, kept'),
        ('method,kept,Vall\nA,1,70\n', r"unknown column of .* 'Vall' \(did you mean 'Val'\?\)"),
        ('method,kept,Val\nA,1\n', "the row 'A, 1' has 2 cells and the head 3"),
        ('method,kept,Val\nA,1,high\n', "'high' is no number; write 74.54, 74.54 ± 0.09 or -"),
    ],
)
def test_another_layout_is_refused_in_one_sentence(tmp_path, text, said):
    with pytest.raises(ValueError, match=said):
        read_cited(written(tmp_path, text), TABLES['adasap-11'])
    with pytest.raises(FileNotFoundError, match='is not there; give a CSV file'):
        read_cited(tmp_path / 'none.csv', TABLES['adasap-11'])


def test_cells_of_two_numbers(tmp_path):
    table = TABLES['s2ap-1']
    text = 'network,sparsity,HARP Orig.,HARP S2AP\nResNet18,80 %,80.26/48.86,-\n'
    filled = fill(table, [], cited=read_cited(written(tmp_path, text), table))
    assert line(filled, 'ResNet18', '80 %')[:2] == ['80.26/48.86', '-']
    with pytest.raises(ValueError, match="'80' under 'HARP Orig.' is not 2 numbers"):
        read_cited(written(tmp_path, text.replace('80.26/48.86', '80')), table)
