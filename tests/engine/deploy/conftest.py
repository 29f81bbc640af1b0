"""A dense network that surgeries start from."""

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope

from tests.support.tiny import classifier


@pytest.fixture(scope='module')
def network(tmp_path_factory):
    """Config, file of the weights, and the model."""
    folder = tmp_path_factory.mktemp('dense')
    config = classifier(folder)
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    model = MODELS.build(dict(config.model, data_preprocessor=config.data_preprocessor))
    torch.save(dict(meta={}, state_dict=model.state_dict()), folder / 'dense.pth')
    return config, str(folder / 'dense.pth'), model


@pytest.fixture(scope='module')
def dense(network):
    """Config and file of the weights."""
    return network[:2]
