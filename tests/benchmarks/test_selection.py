import pytest

pytest.importorskip('mmpretrain')
from benchmarks.selection import labels


def test_the_peer_has_its_own_score_alone():
    assert list(labels(['l2', 'bn'], ['loss', 'Torch-Pruning local'])) == [
        ('loss', 'l2', 'loss'),
        ('Torch-Pruning local', 'l2', 'Torch-Pruning local'),
        ('bn, loss', 'bn', 'loss'),
    ]
