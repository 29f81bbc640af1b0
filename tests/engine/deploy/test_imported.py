"""Weights that were pruned elsewhere, by widths, zeros and masks, as all tools read them."""

import pytest
import torch
from mmengine.config import Config

from mmrobustprune.engine.bridge.checkpoint import load_model
from mmrobustprune.engine.bridge.config import load_config
from mmrobustprune.engine.deploy.imported import Imported, without_masks
from mmrobustprune.surgery import prune_channels
from tests.support.classifier import write_config, write_weights

SIZE = (16, 16)
X = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """Config, weights and model of a ResNet-8."""
    folder = tmp_path_factory.mktemp('imported')
    config = write_config(folder, folder)
    return str(config), *write_weights(config, folder / 'small.pth')


def logits(model):
    with torch.no_grad():
        return model(X.to(next(model.parameters()).dtype), mode='tensor')[0]


def save(folder, state):
    torch.save(state, folder / 'theirs.pth')
    return str(folder / 'theirs.pth')


def test_widths_are_inferred_and_the_checkpoint_loads(small, tmp_path):
    config, checkpoint, _ = small
    theirs, _, _ = load_model(load_config(config), str(checkpoint))
    call = dict(inputs=X, mode='tensor')
    prune_channels(theirs, call, ratio=0.375, forward=lambda model, x: model(**x))
    found = Imported([config], save(tmp_path, theirs.state_dict()), SIZE)
    assert found.structure.method == 'imported widths'
    found.write(tmp_path / 'out')
    ours, _, _ = load_model(
        load_config(str(tmp_path / 'out' / 'pruned.py')), str(tmp_path / 'out' / 'pruned.pth')
    )
    assert torch.equal(logits(ours), logits(theirs))


def test_filters_of_zeros_and_masks_go(small, tmp_path):
    config, checkpoint, _ = small
    model, _, _ = load_model(load_config(config), str(checkpoint))
    model.backbone.layer1[0].bn1.bias.data[:4] = -99  # nothing comes through
    state = model.state_dict()
    name = 'backbone.layer1.0.conv1.weight'
    mask = torch.ones_like(state[name])
    mask[:4] = 0
    original = state.pop(name)
    state |= {f'{name}_orig': original, f'{name}_mask': mask}
    found = Imported([config], save(tmp_path, state), SIZE)
    assert found.structure.method == 'imported zeros' and found.left == {}
    assert found.model.backbone.layer1[0].conv1.out_channels == 12
    model.backbone.layer1[0].conv1.weight.data.mul_(mask)
    assert torch.allclose(logits(found.model), logits(model), atol=1e-4)


def test_masks_are_multiplied_in():
    state = dict(w_orig=torch.tensor([2.0, 3.0]), w_mask=torch.tensor([0.0, 1.0]), b=torch.ones(1))
    found = without_masks(state)
    assert list(found) == ['w', 'b'] and found['w'].tolist() == [0, 3]


def test_what_fits_no_network_or_two_is_refused(small, tmp_path):
    config, checkpoint, _ = small
    twin = tmp_path / 'twin.py'
    Config.fromfile(config).dump(twin)
    with pytest.raises(
        ValueError, match='fit .*small.py and .*twin.py; give the config of the one'
    ):
        Imported([config, str(twin)], str(checkpoint), SIZE)
    other = tmp_path / 'other.py'
    deeper = Config.fromfile(config)
    deeper.model.backbone.depth = 14
    deeper.dump(other)
    assert Imported([config, str(other)], str(checkpoint), SIZE).config.filename == config
    with pytest.raises(ValueError, match="'backbone.layer1.1.conv1.weight'|do not fit|lacks"):
        Imported([str(other)], str(checkpoint), SIZE)


def test_a_pickled_network_is_refused(small, tmp_path):
    config, _, model = small
    torch.save(model, tmp_path / 'whole.pth')
    with pytest.raises(ValueError, match='load it there and save its state_dict alone'):
        Imported([config], str(tmp_path / 'whole.pth'), SIZE)


@pytest.mark.parametrize(
    'bad, sentence',
    [
        (3, "has int as 'backbone.conv1.weight' and no tensor; give a state dict"),
        (torch.full((16, 3, 3, 3), float('nan')), 'with NaN or infinity; give weights of an epoch'),
        (
            torch.quantize_per_tensor(torch.ones(16, 3, 3, 3), 0.1, 0, torch.qint8),
            'in torch.qint8; save the weights before they are quantised',
        ),
    ],
)
def test_what_is_no_plain_number_is_refused(small, tmp_path, bad, sentence):
    config, _, model = small
    torch.save(model.state_dict() | {'backbone.conv1.weight': bad}, tmp_path / 'bad.pth')
    with pytest.raises(ValueError, match=sentence):
        Imported([config], str(tmp_path / 'bad.pth'), SIZE)
