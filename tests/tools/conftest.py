"""What the tests of several tools share."""

import pytest


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """The config and checkpoint of a small classifier with 20 test pictures."""
    from tests.support.classifier import (  # takes mmpretrain
        write_config,
        write_pictures,
        write_weights,
    )

    folder = tmp_path_factory.mktemp('small')
    config = write_config(folder, write_pictures(folder / 'data'))
    return config, write_weights(config, folder / 'small.pth')[0]
