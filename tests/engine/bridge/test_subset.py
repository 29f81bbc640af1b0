"""A loader over random images of another one."""

import pytest
from mmengine.evaluator import Evaluator
from mmpretrain.evaluation import Accuracy
from torch.utils.data import DataLoader

from mmrobustprune.engine.bridge.subset import part_of


class Numbers(list):
    """A data set whose images are numbers."""

    def get_data_info(self, index):
        return dict(sample_idx=index)


def test_a_part_is_chosen_by_the_seed_in_the_order_of_the_data_set():
    loader = DataLoader(Numbers(range(100)), batch_size=4, collate_fn=list)
    evaluator = Evaluator(Accuracy())
    one, again, other = (part_of(loader, 10, seed, evaluator).dataset.chosen for seed in (3, 3, 4))
    assert one == again == sorted(set(one)) and len(one) == 10 and other != one
    part = part_of(loader, 10, 3, evaluator)
    assert list(part) == [one[:4], one[4:8], one[8:]]
    assert part.dataset.get_data_info(2) == dict(sample_idx=one[2])
    for size in (1, 101):
        with pytest.raises(ValueError, match=f'subset is {size} and the test set has 100 images'):
            part_of(loader, size, 3, evaluator)
