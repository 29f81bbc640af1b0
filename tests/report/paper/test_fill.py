import io
from dataclasses import replace

import pytest
from rich.console import Console

from mmrobustprune.report.paper import (
    TABLES,
    Row,
    Table,
    TableColumn,
    as_csv,
    as_rich,
    fill,
    get_table,
    markdown,
    notes,
    write,
)
from mmrobustprune.report.paper.numbers import Number
from mmrobustprune.report.paper.observe import Observation
from tests.report.paper.runs import searched


def line(filled, *labels):
    (text,) = [
        one
        for one in markdown(filled).splitlines()
        if one.startswith('| ' + ' | '.join(labels) + ' |')
    ]
    return [cell.strip() for cell in text.strip('|').split('|')][len(labels) :]


def run(name='a', seed=0, value=1.0, under='', key='x', **facts):
    return Observation(
        f'{name}-{seed}', dict(name=name, seed=seed, **facts), {key: Number(value, under)}
    )


SMALL = Table(
    'small',
    ('arm',),
    (TableColumn('X', ('x',), better='high'),),
    (Row(('{name}',), each='name', block='all'),),
)


def test_the_gap_is_printed_with_both_its_terms_and_the_better_of_a_pair_is_bold():
    table = fill(
        TABLES['s2ap-2'],
        [
            searched(0.99, 'HYDRA', 'Orig.', 93.05, 31.24, net='wrn-28-4', data='svhn'),
            searched(0.99, 'HYDRA', 'S2AP', 85.80, 42.43, net='wrn-28-4', data='svhn'),
        ],
    )
    assert line(table, 'WRN-28-4', '99 %') == [
        '-',
        '-',
        '-',
        '93.05/31.24',
        '**85.80/42.43**',
        '+18.44 (clean \u22127.25, robust +11.19)',
    ]
    assert line(table, 'WRN-28-4', '95 %') == ['-'] * 6


def test_seeds_give_mean_and_sample_deviation_and_one_seed_none():
    table = fill(
        TABLES['s2ap-1'],
        [
            searched(0.8, 'HARP', 'Orig.', 80.0, 48.0, 0),
            searched(0.8, 'HARP', 'Orig.', 82.0, 50.0, 1),
            searched(0.8, 'HARP', 'S2AP', 81.0, 50.0, 0),
        ],
    )
    assert line(table, 'ResNet18', '80 %')[:3] == [
        '81.00/49.00 ± 1.41',
        '**81.00/50.00**',
        '+1.00 (clean +0.00, robust +1.00)',
    ]
    assert any('sample standard deviation' in note for note in notes(table))
    spread = repr(2**0.5)[:14]
    head, first = (one.split(',') for one in as_csv(table).splitlines()[:2])
    found = dict(zip(head, first, strict=True))
    assert [found[f'HARP Orig. robust{part}'][:14] for part in ('', ' spread', ' runs')] == [
        '49.0',
        spread,
        '2',
    ]
    assert [found[f'HARP S2AP clean{part}'] for part in ('', ' spread', ' runs')] == [
        '81.0',
        '',
        '1',
    ]
    assert found['HARP Δ (terms) delta'] == '1.0'


def test_equal_printed_numbers_are_both_bold_and_a_number_alone_is_not():
    arms = [run('a', value=1.001), run('b', value=1.004), run('c', value=0.5)]
    assert [line(fill(SMALL, arms), name) for name in 'abc'] == [
        ['**1.00**'],
        ['**1.00**'],
        ['0.50'],
    ]
    assert line(fill(SMALL, arms[:1]), 'a') == ['1.00']


def test_the_least_is_best_where_less_is_better():
    runs = [searched(0.8, 'HARP', 'Orig.', 1.0, 1.0), searched(0.8, 'HARP', 'S2AP', 1.0, 1.0)]
    key = 'loss difference@0.01'
    runs = [
        replace(one, numbers={key: Number(value)})
        for one, value in zip(runs, (0.2210, 0.2032), strict=True)
    ]
    assert line(fill(TABLES['s2ap-13'], runs), 'ResNet18', '80 %', 'HARP')[-2:] == [
        '0.2210',
        '**0.2032**',
    ]


def test_overhead_is_relative_to_the_original():
    runs = [
        searched(0.9, 'HARP', 'Orig.', 1.0, 1.0),
        searched(0.9, 'HARP', 'S2AP', 1.0, 1.0, warmup=False),
    ]
    runs = [
        replace(one, numbers={'search hours': Number(value)})
        for one, value in zip(runs, (3.27, 3.96), strict=True)
    ]
    assert line(fill(TABLES['s2ap-7'], runs), 'CIFAR-10', 'ResNet18', 'HARP') == [
        '3.27',
        '3.96',
        '+21.1',
    ]


def test_another_attack_may_stand_for_robust():
    one = searched(0.9, 'HARP', 'S2AP', 80.0, 50.0)
    one = replace(one, numbers=dict(one.numbers) | {'pgd@8/255': Number(55.0)})
    assert line(fill(TABLES['s2ap-1'], [one], 'pgd@8/255'), 'ResNet18', '90 %')[1] == '80.00/55.00'


def test_runs_that_are_no_repeats_are_refused_in_one_sentence():
    for other, said in (
        (
            searched(0.8, 'HARP', 'S2AP', 80.0, 50.0, 1, gamma=0.01),
            r"both fit 'ResNet18, 80 %' under 'HARP S2AP' and are no "
            r'repeats \(gamma 0.001 and 0.01\); give one of them',
        ),
        (
            replace(searched(0.8, 'HARP', 'S2AP', 80.0, 50.0), label='b'),
            r'both fit .* with seed 0; give one of them',
        ),
    ):
        with pytest.raises(ValueError, match=said):
            fill(TABLES['s2ap-1'], [searched(0.8, 'HARP', 'S2AP', 80.0, 50.0), other])


def test_a_column_of_different_evaluations_is_refused():
    said = (
        r"'X' would mix x of a-0 \(200 of 10000 images\) and of b-0 \(all images\); "
        'evaluate the runs alike'
    )
    with pytest.raises(ValueError, match=said):
        fill(SMALL, [run('a', under='200 of 10000 images'), run('b')])
    ours = searched(0.8, 'HARP', 'S2AP', 80.0, 50.0)
    ours = replace(
        ours,
        numbers=dict(ours.numbers) | {'autoattack@8/255': Number(50.0, '200 of 10000 images')},
    )
    with pytest.raises(ValueError, match="'HARP' would mix autoattack@8/255 of HARP Orig"):
        fill(TABLES['s2ap-1'], [searched(0.8, 'HARP', 'Orig.', 80.0, 50.0), ours])
    loose = replace(SMALL, columns=(replace(SMALL.columns[0], same=False),))
    assert notes(fill(loose, [run('a', under='gpu'), run('b', under='cpu')])) == ['X: gpu; cpu.']


def test_the_dense_network_stands_beside_measured_speed_ups_of_one_device_only():
    facts = dict(net='resnet50', data='in1k', attack='', config='c')
    latency = dict(method='adasap_latency', budget='latency', rule='AdaSAP + ASAM', finetune='ASAM')
    runs = [
        Observation('dense', dict(method='dense', **facts), {'speed-up': Number(1.0, None)}),
        run('half', under='cpu', key='speed-up', value=2.0, target=0.5, **latency, **facts),
    ]
    assert line(fill(TABLES['adasap-latency'], runs), 'dense', '0')[0] == '1.00'
    with pytest.raises(
        ValueError, match=r"'Speedup' would mix speed-up of half-0 \(cpu\) and of third-0 \(gpu\)"
    ):
        fill(
            TABLES['adasap-latency'],
            [
                *runs,
                run(
                    'third', under='gpu', key='speed-up', value=3.0, target=0.67, **latency, **facts
                ),
            ],
        )


def test_runs_without_a_place_are_named_or_refused():
    stranger = searched(0.7, 'HARP', 'S2AP', 80.0, 50.0)
    said = (
        'no run fits a cell of .S2AP, Table 1: CIFAR-10.: '
        r'HARP S2AP 0.7 seed 0 \(config .*target 0.7'
    )
    with pytest.raises(ValueError, match=said):
        fill(TABLES['s2ap-1'], [stranger])
    table = fill(TABLES['s2ap-1'], [stranger, searched(0.8, 'HARP', 'S2AP', 80.0, 50.0)])
    assert notes(table)[-1].startswith('Not in this table: HARP S2AP 0.7 seed 0 (config')


def test_a_row_is_repeated_for_every_value_of_its_fact():
    facts = dict(
        net='resnet50',
        data='in1k',
        attack='',
        method='adasap_latency',
        budget='latency',
        rule='AdaSAP + ASAM',
        finetune='ASAM',
        config='c',
    )
    runs = [
        run(name, key='speed-up', value=value, target=target, **facts)
        for name, value, target in (('half', 2.0, 0.5), ('slow', 1.3, 0.25))
    ]
    text = markdown(fill(TABLES['adasap-latency'], runs))
    assert (
        text.index('| AdaSAP_L | 0.25 | 1.30') < text.index('| AdaSAP_L | 0.5 | 2.00')
        and '| HALP | - | - |' in text
    )


def test_columns_that_no_arm_has_are_left_out_of_the_arms():
    table = fill(
        TABLES['arms'], [run('a[1]', key='clean', value=80.0), run('b', key='params', value=1e6)]
    )
    assert markdown(table).splitlines()[2:6] == [
        '| arm | parameters | clean |',
        '| --- | ---: | ---: |',
        '| a[1] | - | 80.00 |',
        '| b | 1,000,000 | - |',
    ]


def test_files_and_the_terminal_hold_the_same_table(tmp_path):
    table = fill(SMALL, [run('a', value=2.0), run('b')])
    path = write(table, tmp_path / 'out', 'small')
    assert (
        path.read_text()
        == markdown(table)
        == '# small\n\n| arm | X |\n| --- | ---: |\n| a | **2.00** |\n| b | 1.00 |\n'
    )
    assert (
        tmp_path / 'out' / 'small.csv'
    ).read_text() == 'arm,X,X spread,X runs\na,2.0,,1\nb,1.0,,1\n'
    out = io.StringIO()
    Console(file=out, width=80).print(as_rich(table))
    assert all(text in out.getvalue() for text in ('small', 'arm', '2.00', '1.00'))


@pytest.mark.parametrize('name', TABLES)
def test_every_table_is_whole_data_and_empty_without_runs(name):
    table = get_table(name)
    filled = fill(table, [])
    assert all(len(row.labels) == len(table.heads) for row in table.rows)
    names = [column.name for column in table.columns]
    assert len(set(names)) == len(names)
    assert all(
        set(column.of) <= set(names)
        for column in table.columns
        if not isinstance(column, TableColumn)
    )
    assert not any(any(cells) for cells in filled.cells.values())
    lines = as_csv(filled).splitlines()
    assert (
        len(lines) == len(filled.rows) + 1
        and len({one.count(',') for one in lines if '"' not in one}) == 1
    )
    rows = [(row.labels, tuple(sorted(row.where.items(), key=str))) for row in filled.rows]
    assert len(set(map(str, rows))) == len(rows)


def test_an_unknown_table_is_told_the_nearest():
    with pytest.raises(
        ValueError,
        match=r"no table is called 's2ap-14' \(did you mean 's2ap-4'\?\); --table list prints",
    ):
        get_table('s2ap-14')


@pytest.mark.parametrize(
    'name, rows',
    [
        ('s2ap-1', 12),
        ('s2ap-2', 12),
        ('s2ap-3', 3),
        ('s2ap-5', 24),
        ('s2ap-7', 7),
        ('s2ap-8', 24),
        ('s2ap-12', 4),
        ('adasap-7', 7),
        ('adasap-12', 12),
        ('adasap-13', 4),
        ('adasap-14', 3),
        ('adasap-15', 15),
    ],
)
def test_tables_have_as_many_lines_as_the_papers_cells_ask_for(name, rows):
    assert len(TABLES[name].rows) == rows
