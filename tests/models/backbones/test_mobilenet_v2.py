"""Published weights compute the same under other names."""

import pytest
import torch
from mmdet.models.backbones import MobileNetV2
from torchvision.models import mobilenet_v2

from mmrobustprune.models.backbones import mobilenet_v2_state


def test_features_are_those_of_the_published_network():
    torch.manual_seed(0)
    theirs = mobilenet_v2().eval()
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    ours = MobileNetV2(out_indices=(7,))
    ours.eval()
    ours.load_state_dict(mobilenet_v2_state(theirs.state_dict()))
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(image)[0], theirs.features(image))


@pytest.mark.parametrize(
    'name', ['features.19.0.weight', 'conv1.weight', 'features.2.conv.4.weight']
)
def test_weights_of_another_network_are_refused(name):
    with pytest.raises(ValueError, match=f"'{name}' is no weight of torchvision's mobilenet_v2"):
        mobilenet_v2_state({name: torch.ones(1)})
