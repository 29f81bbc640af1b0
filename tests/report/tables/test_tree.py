"""The network before and after as text: widths, totals, shares, reasons."""

from mmrobustprune.report.tables.tree import as_text, layer_table, width_tree


def test_tables():
    before = {
        'stem.conv': {'in': 3, 'out': 64, 'params': 1728, 'macs': 3_000_000},
        'stem.bn': {'out': 64, 'params': 128, 'macs': 0},
        'head': {'in': 64, 'out': 10, 'params': 650, 'macs': 640},
    }
    after = {
        'stem.conv': {'in': 3, 'out': 32, 'params': 864, 'macs': 1_500_000},
        'stem.bn': {'out': 32, 'params': 64, 'macs': 0},
        'head': {'in': 32, 'out': 10, 'params': 330, 'macs': 320},
    }
    whole = {'head': 'it is an output of the model [fixed]'}
    text = as_text(layer_table(before, after, whole), 140)
    row = next(line for line in text.splitlines() if 'stem.conv' in line)
    assert all(part in row for part in ('64 -> 32', '1,728 -> 864', '3.00 M -> 1.50 M', '50.0%'))
    assert 'it is an output of the model [fixed]' in text and '2,506 -> 1,258' in text
    tree = as_text(width_tree(before, after, whole))
    assert 'conv 64 -> 32' in tree and 'head 10 (it is an output of the model [fixed])' in tree
    assert 'bn' not in tree


DENSE = {
    'backbone.conv1': {'in': 3, 'out': 8, 'params': 224, 'macs': 2_500_000_000},
    'backbone.bn1': {'out': 8, 'params': 16, 'macs': 0},
    'backbone.conv2': {'params': 152, 'macs': 576},  # grouped, so of no one width
    'head': {'in': 8, 'out': 5, 'params': 45, 'macs': 40},
}
PRUNED = {
    'backbone.conv1': {'in': 3, 'out': 4, 'params': 112, 'macs': 1_250_000_000},
    'backbone.bn1': {'out': 4, 'params': 8, 'macs': 0},
    'backbone.conv2': {'params': 76, 'macs': 576},
    'head': {'in': 4, 'out': 5, 'params': 25, 'macs': 20},
}


def lines(renderable, columns=120):
    """Lines without the blanks at their ends."""
    return [line.rstrip() for line in as_text(renderable, columns).splitlines()]


def test_the_table_has_widths_parameters_macs_and_shares():
    # totals are over every layer, those that do not multiply too: 437 and 221 parameters
    head, *rows = lines(layer_table(DENSE, PRUNED, {'head': 'an output'}))
    assert head.split() == 'layer in out params MACs removed unprunable because'.split()
    assert rows == [
        ' backbone.conv1       3  8 -> 4  224 -> 112  2.50 G -> 1.25 G    50.0%',
        ' backbone.conv2                   152 -> 76               576    50.0%',
        ' head            8 -> 4       5    45 -> 25          40 -> 20    44.4%  an output',
        ' total                           437 -> 221  2.50 G -> 1.25 G    49.4%',
    ]


def test_the_tree_has_a_branch_for_every_module_that_multiplies():
    assert lines(width_tree(DENSE, PRUNED, {'head': 'an output'}, 'net')) == [
        'net',
        '├── backbone',
        '│   ├── conv1 8 -> 4',
        '│   └── conv2',
        '└── head 5 (an output)',
    ]


def test_a_network_that_was_left_as_it_is_has_one_number_a_cell():
    text = as_text(layer_table(DENSE, DENSE))
    assert '->' not in text and text.count('0.0%') == 4
    assert '->' not in as_text(width_tree(DENSE, DENSE))


def test_a_network_without_parameters_has_no_share():
    rows = {'matmul': {'out': 4, 'params': 0, 'macs': 999_999}}
    assert lines(layer_table(rows, rows))[1:3] == [
        ' matmul        4       0  999,999',
        ' total                 0  999,999',
    ]


def test_millions_and_billions_are_short():
    rows = {'a': {'in': 1, 'out': 1, 'params': 1_000_000, 'macs': 12_345_678_900}}
    less = {'a': {'in': 1, 'out': 1, 'params': 999_999, 'macs': 1_000_000_000}}
    row = lines(layer_table(rows, less))[1].split()
    wanted = 'a 1 1 1.00 M -> 999,999 12.35 G -> 1.00 G 0.0%'
    assert ' '.join(row) == wanted


def test_a_module_that_multiplies_and_holds_others_has_its_width_and_its_branches():
    rows = {
        'attn': {'out': 6, 'params': 1, 'macs': 1},
        'attn.proj': {'out': 3, 'params': 1, 'macs': 1},
    }
    pruned = rows | {'attn.proj': {'out': 2, 'params': 1, 'macs': 1}}
    assert lines(width_tree(rows, pruned))[:3] == ['model', '└── attn 6', '    └── proj 3 -> 2']


def test_names_in_brackets_stand_as_they_are():
    rows = {'stage[x].conv[/y]': {'in': 1, 'out': 2, 'params': 3, 'macs': 4}}
    assert lines(layer_table(rows, rows))[1].split()[0] == 'stage[x].conv[/y]'
    assert lines(width_tree(rows, rows, title='net [big]'))[:3] == [
        'net [big]',
        '└── stage[x]',
        '    └── conv[/y] 2',
    ]
