"""What a search leaves on disk, as stock loaders read it."""

import json

import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS, init_default_scope
from mmpretrain.apis import get_model

from tests.support.searching import saved, searched
from tests.support.tiny import classifier, pruned


def test_masks_of_channels_leave_a_slim_network_that_stock_loaders_read(tmp_path):
    host = dict(type='HARP', form='channel', input_shape=(3, 16, 16))
    config = searched(
        tmp_path, attack=None, recipe='s2ap_harp', target=0.5, host=host, select='last', gamma=0.001
    )
    runner = RUNNERS.build(config)
    runner.train()
    record = json.loads((tmp_path / 'sparsity.json').read_text())
    assert (
        record['slim']['params'] > 0.1 and record['left']
    )  # sums keep channels that some reader needs
    fewer = record['fewer']
    assert fewer['flops_of_mask'] > fewer['macs_of_slim'] == 1 / (1 - record['slim']['macs'])
    init_default_scope('mmpretrain')
    masked = get_model(
        Config.fromfile(tmp_path / 'pruned.py'), str(tmp_path / 'pruned.pth')
    ).double()
    slim = get_model(
        Config.fromfile(tmp_path / 'slim' / 'pruned.py'), str(tmp_path / 'slim' / 'pruned.pth')
    ).double()
    assert sum(p.numel() for p in slim.parameters()) < sum(p.numel() for p in masked.parameters())
    runner.val_loop.run()  # the network that was trained still runs
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(slim(x), masked(x), rtol=0, atol=1e-10)


def test_a_search_on_a_pruned_network_leaves_a_pruned_network(tmp_path):
    RUNNERS.build(pruned(classifier(tmp_path / 'cut'), measure=False)).train()
    config = searched(
        tmp_path / 'work', attack=None, epochs=2, pretrain=0, search='1 epochs', warmup=0
    )
    config.load_from = str(tmp_path / 'cut' / 'pruned.pth')
    RUNNERS.build(config).train()
    init_default_scope('mmpretrain')
    for folder in (tmp_path / 'work', tmp_path / 'work' / 'mask'):
        state = get_model(
            Config.fromfile(folder / 'pruned.py'), str(folder / 'pruned.pth')
        ).state_dict()
        expected = saved(folder, 'pruned.pth')['state_dict']
        assert state.keys() == expected.keys() and all(
            torch.equal(value, expected[name]) for name, value in state.items()
        )
