import pytest

from tests.support.mmcv_ops import standing_in


@pytest.fixture(autouse=True)
def operators():
    """mmcv's public operators run on the stand-in in every test of this folder."""
    with standing_in() as module:
        yield module
