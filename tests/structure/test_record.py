"""The record on disk."""

import json

import pytest

from mmrobustprune.surgery import Structure, load_structure, save_structure


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
