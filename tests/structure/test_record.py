"""The record on disk."""

import json

import pytest
from torch import nn

from mmrobustprune.surgery import Structure, load_structure, rebuild, save_structure


def example():
    return Structure(
        {'conv': dict(kind='conv', shape=[4, 3, 3, 3], out=[0, 2])}, 'Magnitude', dict(channels=0.5)
    )


def test_plain_json_there_and_back(tmp_path):
    structure = example()
    data = structure.to_dict()
    assert json.loads(json.dumps(data)) == data
    assert {'mmrobustprune', 'torch'} <= set(data['versions'])
    assert Structure.from_dict(data) == structure == Structure.from_json(structure.to_json())
    save_structure(tmp_path / 'deep' / 'structure.json', structure)
    assert load_structure(tmp_path / 'deep' / 'structure.json') == structure
    assert [path.name for path in (tmp_path / 'deep').iterdir()] == ['structure.json']


@pytest.mark.parametrize('text', ['', '{', '[]', '{"layers": 3}', '"text"'])
def test_what_is_no_record_is_refused(tmp_path, text):
    (tmp_path / 'structure.json').write_text(text)
    with pytest.raises(ValueError, match='give the structure.json that the pruning run wrote'):
        load_structure(tmp_path / 'structure.json')


def test_a_record_without_its_fields_is_refused():
    data = example().to_dict()
    del data['method']
    with pytest.raises(ValueError, match="'method'"):
        Structure.from_dict(data)


def test_another_format_is_refused():
    with pytest.raises(ValueError, match='structure format 9'):
        Structure.from_dict(example().to_dict() | dict(format=9))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.json'):
        load_structure(tmp_path / 'none.json')


def classifier(classes, width=4):
    return nn.ModuleDict(dict(conv=nn.Conv2d(3, width, 3), fc=nn.Linear(width, classes)))


def test_sides_that_lost_nothing_may_have_another_width():
    """The head of another task."""
    layers = {
        'conv': dict(kind='conv', shape=[4, 3, 3, 3], out=[0, 2]),
        'fc': {'kind': 'linear', 'shape': [10, 4], 'in': [0, 2]},
    }
    structure = Structure(layers, 'Magnitude')
    small = rebuild(classifier(3), structure)
    assert small['fc'].weight.shape == (3, 2) and small['conv'].weight.shape == (2, 3, 3, 3)
    words = r"at 'conv': recorded conv \[4, 3, 3, 3\], found conv \[6, 3, 3, 3\]"
    with pytest.raises(ValueError, match=words):
        rebuild(classifier(10, width=6), structure)


def test_sides_of_a_layer_that_is_grouped_must_be_the_recorded_ones():
    layer = dict(kind='conv', shape=[4, 4, 3, 3], groups=2, kept=[[0, 1], [2, 3]], restored=True)
    structure = Structure(dict(conv=dict(layer, out_index=[0, 1, 2, 3])), 'sr_gkp')
    rebuild(nn.ModuleDict(dict(conv=nn.Conv2d(4, 4, 3))), structure)
    with pytest.raises(ValueError, match=r"at 'conv': .* found conv \[4, 5, 3, 3\]"):
        rebuild(nn.ModuleDict(dict(conv=nn.Conv2d(5, 4, 3))), structure)


def test_a_packed_projection_in_a_record():
    layers = {
        'attn': dict(kind='packed', shape=[12, 4], out=[0, 1, 4, 5, 8, 9]),
        'attn.out_proj': {'kind': 'linear', 'shape': [4, 4], 'in': [0, 1]},
    }
    structure = Structure.from_json(Structure(layers, 'by hand').to_json())
    small = rebuild(nn.ModuleDict(dict(attn=nn.MultiheadAttention(4, 2))), structure)
    assert small['attn'].in_proj_weight.shape == (6, 4) and small['attn'].num_heads == 1
    with pytest.raises(ValueError, match=r"at 'attn': recorded packed \[12, 4\], found packed"):
        rebuild(nn.ModuleDict(dict(attn=nn.MultiheadAttention(8, 2))), structure)


def test_numbers_of_modules_that_the_model_lacks_are_refused():
    model = nn.Sequential(nn.ReLU())
    model[0].width = 8
    record = Structure({}, 'test', numbers={'0': {'width': 4}})
    record.check(model)
    assert Structure.from_json(record.to_json()) == record
    for numbers in ({'0': {'height': 4}}, {'1': {'width': 4}}):
        with pytest.raises(ValueError, match='has no number'):
            Structure({}, 'test', numbers=numbers).check(model)
