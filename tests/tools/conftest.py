"""What the tests of several tools share."""

import pytest


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """The config and checkpoint of a small classifier with 20 test images."""
    from tests.support.classifier import (  # takes mmpretrain
        write_config,
        write_pictures,
        write_weights,
    )

    folder = tmp_path_factory.mktemp('small')
    config = write_config(folder, write_pictures(folder / 'data'))
    return config, write_weights(config, folder / 'small.pth')[0]


@pytest.fixture
def toy(tmp_path):
    """The config and checkpoint of a toy detector with random weights on VOC files."""
    from tests.engine.robustness.toys import save, voc, write_voc

    config = voc(write_voc(tmp_path / 'voc'), tmp_path / 'out')
    config.pop('work_dir')
    config.custom_imports = dict(imports=['tests.engine.robustness.toys'])
    config.dump(str(tmp_path / 'toy.py'))
    return tmp_path / 'toy.py', save(config, tmp_path / 'toy.pth')
