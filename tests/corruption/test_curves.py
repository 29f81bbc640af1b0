import numpy as np
import pytest

from mmrobustprune.corruption.curves import CURVES

# the ranking: hit, miss, hit; of two true boxes, and of four
RIGHT = np.array([[1.0], [2.0]], np.float32)
WRONG = np.array([[0.0], [1.0]], np.float32)


@pytest.mark.parametrize(
    'curve, truths, expected',
    [
        ('area', 2, 0.5 * 1 + 0.5 * 2 / 3),
        ('area', 4, 0.25 * 1 + 0.25 * 2 / 3),
        ('11points', 2, (6 * 1 + 5 * 2 / 3) / 11),
        ('11points', 4, (3 * 1 + 3 * 2 / 3) / 11),
        ('101points', 2, (51 * 1 + 50 * 2 / 3) / 101),
        ('101points', 4, (26 * 1 + 25 * 2 / 3) / 101),
    ],
)
def test_average_precision_of_three_detections(curve, truths, expected):
    rule = CURVES[curve]
    found = rule.area(RIGHT, WRONG, np.array([truths], np.float32))
    assert found.shape == (1,) and found.dtype == rule.dtype
    assert found[0] == pytest.approx(expected, rel=1e-6)
