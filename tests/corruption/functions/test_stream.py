"""Every number is that of NumPy's own generator, whatever was drawn before."""

import numpy as np
import pytest

from mmrobustprune.corruption.functions import stream


@pytest.mark.parametrize('seed', [np.arange(8, dtype=np.uint32), 5])
def test_the_stream_is_numpys(seed):
    ours = stream.stream_of(seed)
    theirs = np.random.RandomState(seed)
    means = np.linspace(0, 60, 256)
    for size in (7, 1, 624, 1001, 5, 3000):
        out = np.empty(size)
        stream.fill_uniform(ours, -1.5, 4.0, out)
        assert np.array_equal(out, theirs.uniform(-1.5, 2.5, size))
        stream.fill_normal(ours, 0.1, 0.3, out)
        assert np.array_equal(out, theirs.normal(0.1, 0.3, size))
        whole = np.empty(3, np.int64)
        stream.fill_below(ours, 1000, -7, whole)  # an odd number of words, mostly
        assert np.array_equal(whole, theirs.randint(-7, 993, 3))
        levels = np.random.default_rng(size).integers(0, 256, 9 * size).astype(np.uint8)
        counts = np.empty(len(levels))
        stream.fill_photons(ours, levels, means, counts)
        assert np.array_equal(counts, theirs.poisson(means[levels]))
