X


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
