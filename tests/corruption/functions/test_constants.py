import importlib
import inspect
import re

import numpy as np
import pytest

from mmrobustprune.corruption import ALL
from mmrobustprune.corruption.functions import FUNCTIONS, constants


@pytest.mark.parametrize('family', [constants.IMAGENET, constants.CIFAR])
def test_five_constants_for_each_of_nineteen(family):
    assert set(family) == set(FUNCTIONS) == set(ALL)
    assert all(len(five) == 5 for five in family.values())
    widths = {name: {np.size(one) for one in five} for name, five in family.items()}
    assert all(len(width) == 1 for width in widths.values())


def test_imagenets_constants_are_those_in_the_source_of_imagecorruptions():
    """Every number of ours stands in its function's list, in this order.

    Zoom and elastic are expressions there.
    """
    module = importlib.import_module('imagecorruptions.corruptions')
    for name in ALL:
        if name in ('zoom_blur', 'elastic_transform', 'glass_blur'):  # covered by the bits
            continue
        listed = re.search(
            r'c = (\[.*?\])\[\s*severity', inspect.getsource(getattr(module, name)), re.S
        )[1]
        numbers = eval(listed)  # noqa: S307  the library's own text
        assert tuple(numbers) == constants.IMAGENET[name], name
