"""Masks in a file."""

import numpy as np
import pytest
import torch
from torch import nn

from mmrobustprune.mask_search import HYDRA, keep_only, load_masks, save_masks
from tests.mask_search.nets import small


def test_masks_come_back_and_serve_another_copy(tmp_path):
    model = small()
    network = HYDRA(0.9).attach(model)
    path = tmp_path / 'sub' / 'mask.npz'
    save_masks(path, network.masks(), method='HYDRA', epoch=3)
    other = small()
    masks, header = load_masks(path, other)
    assert (
        header['method'] == 'HYDRA'
        and header['facts'] == {'epoch': 3}
        and header['layers']['fc'] == [4, 12]
    )
    assert list(masks) == list(network.layers) and all(
        torch.equal(masks[n], m) for n, m in network.masks().items()
    )
    keep_only(other, masks)
    assert all(
        torch.equal(other.get_submodule(n).weight, model.get_submodule(n).weight) for n in masks
    )
    assert path.stat().st_size < 6000 and [p.name for p in path.parent.iterdir()] == ['mask.npz']


def test_a_mask_of_another_network_is_refused(tmp_path):
    network = HYDRA(0.9).attach(small())
    save_masks(tmp_path / 'mask.npz', network.masks())
    with pytest.raises(ValueError, match="masks are of another network: 'stem' has shape"):
        load_masks(tmp_path / 'mask.npz', nn.Sequential(nn.Linear(3, 3)))


def test_a_network_with_layers_that_the_masks_network_lacks_is_refused(tmp_path):
    model = small()
    network = HYDRA(0.9, ignore=['stem']).attach(model)
    save_masks(tmp_path / 'mask.npz', network.masks(), model=model)
    assert load_masks(tmp_path / 'mask.npz', small())[1]['dense'] == {'stem': [8, 3, 3, 3]}
    larger = small()
    larger.extra = nn.Linear(2, 3)
    with pytest.raises(
        ValueError,
        match=r"of another network: 'extra' has a weight of shape None there and \[3, 2\] here",
    ):
        load_masks(tmp_path / 'mask.npz', larger)


def test_files_that_are_no_masks(tmp_path):
    with pytest.raises(FileNotFoundError, match='there is no mask file'):
        load_masks(tmp_path / 'none.npz')
    (tmp_path / 'text').write_text('hello')
    np.savez(tmp_path / 'other.npz', a=np.ones(3))
    np.savez(tmp_path / 'hostile.npz', header=np.array([{'a': 1}], dtype=object))
    for name in ('text', 'other.npz', 'hostile.npz'):
        with pytest.raises(ValueError, match='is not a mask file'):
            load_masks(tmp_path / name)
    np.savez(tmp_path / 'later.npz', header=np.array('{"format": 9, "layers": {}}'))
    with pytest.raises(ValueError, match='has mask format 9 and this version reads 1'):
        load_masks(tmp_path / 'later.npz')
