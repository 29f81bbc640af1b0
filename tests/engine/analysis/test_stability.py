"""Distances between masks, and names of what is compared."""

import json

import pytest
import torch

from mmrobustprune.engine.analysis.stability import (
    compare_masks,
    is_run,
    masks_of,
    named_paths,
    read_records,
)


def pruned(path, *zeros):
    """A checkpoint of two layers whose weights at `zeros` of the first layer are zero."""
    weight = torch.ones(2, 4)
    weight.view(-1)[list(zeros)] = 0
    state = {'a.weight': weight, 'b.weight': torch.ones(2, 2), 'bn.weight': torch.zeros(4)}
    torch.save(dict(state_dict=state), path)
    return path


def test_distances_are_counted_entry_by_entry(tmp_path):
    files = dict(one=pruned(tmp_path / '1.pth', 0, 1), two=pruned(tmp_path / '2.pth', 0, 2, 3))
    found = compare_masks(files, tmp_path / 'out')
    first, second = found['masks']
    assert found['reference'] == 'one' and first['hamming'] == 0
    assert [one['removed'] for one in found['masks']] == pytest.approx([2 / 12, 3 / 12])
    # 1, 2 and 3 changed sides
    assert second['hamming'] == pytest.approx(3 / 12) and second['entries'] == 12
    assert json.loads((tmp_path / 'out' / 'stability.json').read_text()) == found


def test_masks_are_the_weights_other_than_zero(tmp_path):
    masks = masks_of(pruned(tmp_path / 'a.pth', 1))
    assert set(masks) == {'a', 'b'}  # vectors have no mask
    assert masks['a'].tolist() == [[True, False, True, True], [True] * 4]
    with pytest.raises(ValueError, match='holds no mask: no weight in it is zero'):
        masks_of(pruned(tmp_path / 'dense.pth'))


def test_names_are_given_or_told_apart_by_folders(tmp_path):
    for folder in ('x', 'y'):
        (tmp_path / folder).mkdir()
        pruned(tmp_path / folder / 'a.pth', 0)
    words = [str(tmp_path / 'x' / 'a.pth'), str(tmp_path / 'y' / 'a.pth'), 'mine=no/such.pth']
    assert list(named_paths(words)) == ['x/a', 'y/a', 'mine']
    assert list(named_paths(words[:1])) == ['a']
    with pytest.raises(ValueError, match="'mine' is given twice"):
        named_paths(['mine=a', 'mine=b'])


@pytest.mark.parametrize('content', ['[]', '{"records": []}'])
def test_a_record_of_nothing_is_one_sentence(tmp_path, content):
    assert not is_run(tmp_path)
    with pytest.raises(FileNotFoundError, match='train with the hook'):
        read_records(tmp_path)
    (tmp_path / 'search.json').write_text(content)
    assert is_run(tmp_path)
    with pytest.raises(ValueError, match='holds no measured epoch'):
        read_records(tmp_path)


def test_one_mask_or_two_networks_are_refused(tmp_path):
    one = pruned(tmp_path / '1.pth', 0)
    with pytest.raises(ValueError, match='1 mask was given'):
        compare_masks(dict(one=one), tmp_path)
    torch.save({'other.weight': torch.eye(2)}, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='one and other have no layer in common'):
        compare_masks(dict(one=one, other=tmp_path / 'other.pth'), tmp_path)
