import torch

from mmrobustprune.scores import FeatureRank, build_score


def test_ranks_of_written_out_maps():
    full = torch.eye(3)
    one = torch.ones(3, 3)
    two = torch.tensor([[1.0, 2, 3], [0, 1, 1], [1, 3, 4]])
    none = torch.zeros(3, 3)
    assert FeatureRank().values(torch.stack([full, one, two, none])).tolist() == [3, 1, 2, 0]


def test_it_asks_for_500_images():
    assert build_score('FeatureRank').images == 500
    assert build_score(dict(type='FeatureRank', images=8)).images == 8
