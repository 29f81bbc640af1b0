import json
import os

import numpy as np
import pytest

from mmrobustprune.records.files import json_text, read_json, replacing, write_file, write_json


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / 'results.json'
    write_json(path, dict(P=0.5))

    def full(handle):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match='No space'):
        write_json(path, dict(P=0.6))
    assert os.listdir(tmp_path) == ['results.json'] and read_json(path) == dict(P=0.5)


def test_numbers_keep_every_digit_and_what_is_no_number_becomes_null(tmp_path):
    value = 0.1 + 0.2
    write_json(
        tmp_path / 'a.json',
        dict(
            a=value,
            b=np.float64(value),
            c=np.int64(3),
            d=float('nan'),
            e=np.array([1.0, np.inf]),
            f='x',
        ),
    )
    text = (tmp_path / 'a.json').read_text()
    assert json.loads(text) == dict(a=value, b=value, c=3, d=None, e=[1.0, None], f='x')


def test_a_file_in_a_folder_that_is_not_there_yet(tmp_path):
    write_json(tmp_path / 'new' / 'deep' / 'a.json', dict(a=1))
    assert read_json(tmp_path / 'new' / 'deep' / 'a.json') == dict(a=1)


def test_a_file_stands_under_its_name_once_it_is_whole(tmp_path):
    path = tmp_path / 'new' / 'a.bin'
    with replacing(path) as part:
        part.write_bytes(b'half')
        assert not path.exists() and part.parent == path.parent
        part.write_bytes(b'whole')
    assert path.read_bytes() == b'whole' and os.listdir(path.parent) == ['a.bin']


def test_after_an_error_the_old_file_is_as_it_was(tmp_path):
    path = tmp_path / 'a.bin'
    write_file(path, b'old')
    with pytest.raises(RuntimeError), replacing(path) as part:
        part.write_bytes(b'half')
        raise RuntimeError
    assert path.read_bytes() == b'old' and os.listdir(tmp_path) == ['a.bin']


def test_unfinished_files_may_lie_in_a_folder_of_their_own(tmp_path):
    parts = tmp_path / 'parts'
    parts.mkdir()
    with replacing(tmp_path / 'deep' / 'a.png', parts) as part:
        part.write_bytes(b'x')
        assert part.parent == parts and not list((tmp_path / 'deep').iterdir())
    assert (tmp_path / 'deep' / 'a.png').read_bytes() == b'x' and not list(parts.iterdir())


def test_what_is_no_json_is_named(tmp_path):
    (tmp_path / 'a.json').write_text('{"x": ')
    with pytest.raises(ValueError, match='a.json is cut short or no JSON; remove it'):
        read_json(tmp_path / 'a.json')


def test_json_is_for_people():
    text = json_text({1: ('ä', float('inf'), np.float32(0.5))})
    assert text == '{\n "1": [\n  "ä",\n  null,\n  0.5\n ]\n}\n'


def test_what_a_kill_leaves_of_a_file_of_one_writer_is_overwritten(tmp_path):
    (tmp_path / '.a.bin.part').write_bytes(b'half')
    with replacing(tmp_path / 'a.bin', alone=True) as part:
        assert part == tmp_path / '.a.bin.part'
        part.write_bytes(b'whole')
    assert os.listdir(tmp_path) == ['a.bin']


def test_two_writers_of_one_process_number_do_not_share_an_unfinished_file(tmp_path):
    """As in containers that share a disk."""
    with replacing(tmp_path / 'a') as one, replacing(tmp_path / 'a') as other:
        assert one != other
        one.write_bytes(b'1')
        other.write_bytes(b'2')
    assert (tmp_path / 'a').read_bytes() == b'1' and os.listdir(tmp_path) == ['a']
