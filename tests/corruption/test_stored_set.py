import pytest

from mmrobustprune.corruption import Cell, get_suite
from mmrobustprune.corruption.stored import open_stored


@pytest.mark.parametrize('name', ['imagenet-c', 'cifar-10-c'])
def test_every_set_counts_the_cells_that_it_lacks_and_names_three(tmp_path, name):
    suite = get_suite(name)
    images = open_stored(tmp_path, suite)
    assert images.root == tmp_path and images.suite is suite and images.seed is None
    sentence = (
        r'75 of 75 cells are missing in .*'
        r'\(gaussian_noise 1, gaussian_noise 2, gaussian_noise 3 and 72 more\); add them'
    )
    with pytest.raises(FileNotFoundError, match=sentence):
        images.check(suite.choose())
    with pytest.raises(FileNotFoundError, match=r'1 of 1 cells are missing in .*\(fog 2\)'):
        images.check([Cell('fog', 2)])
