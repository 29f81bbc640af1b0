"""Which layers and snapshots a recipe of grouped kernels means."""

import pytest
import torch

from mmrobustprune.engine.grouped.prune import Snapshots, outside, snapshot_files


def test_snapshots_come_in_the_order_of_their_epochs(tmp_path):
    for number in (10, 2, 1):
        (tmp_path / f'epoch_{number}.pth').touch()
    assert [file.name for file in snapshot_files((str(tmp_path / 'epoch_*.pth'),))] == [
        f'epoch_{n}.pth' for n in (1, 2, 10)
    ]
    with pytest.raises(FileNotFoundError, match='none.pth.*which is not there'):
        snapshot_files((str(tmp_path / 'none.pth'),))


def test_snapshots_of_the_epochs_that_are_asked_for(tmp_path):
    for number in (5, 35, 70, 71):
        torch.save(dict(state_dict=dict(epoch=torch.tensor(number))), tmp_path / f'e_{number}.pth')
    files = snapshot_files((str(tmp_path / 'e_*.pth'),), (35, 70))
    states = Snapshots(files)
    assert [int(state['epoch']) for state in states] == [35, 70] and len(states) == 2
    files[1].unlink()  # read when asked for, not before
    assert int(states[0]['epoch']) == 35
    with pytest.raises(ValueError, match='none of the 3 snapshots, e_5.pth to e_71.pth.*72 to 90'):
        snapshot_files((str(tmp_path / 'e_*.pth'),), (72, 90))


def test_parts_are_chosen_by_name():
    model = torch.nn.ModuleDict(
        dict(
            backbone=torch.nn.Conv2d(3, 8, 3),
            neck=torch.nn.Conv2d(8, 8, 1),
            head=torch.nn.Linear(8, 2),
        )
    )
    assert outside(model, 'backbone', '3x3') == ['neck'] and outside(model, '', 'all') == []
    assert outside(model, 'backbone', ('neck',)) == []
    with pytest.raises(
        ValueError, match="part='body' is no part of ModuleDict; choose among backbone, neck, head"
    ):
        outside(model, 'body', 'all')
