"""The config and the weights that a pruning leaves for stock loaders."""

import numpy as np
import torch
from mmengine.config import Config

from mmrobustprune.engine.pruning.artifacts import plain_types, stock_config, write_weights
from mmrobustprune.structure.record import Structure


def test_a_stock_config_has_nothing_of_ours_and_no_hook_that_prunes():
    other = dict(type='EMAHook')
    prunes = dict(type='mmrobustprune.PrunePhaseHook', recipe='adasap', target=0.5)
    config = dict(
        model=dict(type='A'),
        custom_hooks=[other, prunes],
        runner_type='mmrobustprune.PruneRunner',
        robust_prune=dict(recipe='adasap', target=0.5),
        work_dir='here',
        load_from='dense.pth',
    )
    text = stock_config(Config(config, format_python_code=False), None)
    found = Config.fromstring(text, '.py').to_dict()
    expected = dict(model=dict(type='A'), custom_hooks=[other], load_from=None, resume=False)
    assert {key: found[key] for key in expected} == expected
    assert not {'runner_type', 'robust_prune', 'work_dir'} & set(found)


def test_weights_are_read_without_an_allow_list(tmp_path):
    conv = dict(kind='conv', shape=[2, 3, 1, 1], out=[0])
    structure = Structure({'a': conv}, 'test', dict(params=0.5))
    state = dict(w=torch.ones(2))
    write_weights(state, dict(seed=np.int64(3)), structure, 'cfg', tmp_path / 'pruned.pth')
    found = torch.load(tmp_path / 'pruned.pth', weights_only=True)
    assert found['meta']['mmrobustprune']['structure'] == structure.to_dict()
    assert (found['meta']['seed'], found['meta']['cfg']) == (3, 'cfg')
    assert torch.equal(found['state_dict']['w'], state['w'])


def test_plain_types():
    given = {1: (np.float64(0.5), {2}, torch.tensor([1, 2])), 'b': int}
    assert plain_types(given) == {'1': [0.5, [2], [1, 2]], 'b': "<class 'int'>"}
