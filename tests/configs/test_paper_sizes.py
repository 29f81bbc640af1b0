"""AdaSAP_P at the sizes that the paper prints: the removal of the recipe, on fresh weights."""

from pathlib import Path

import pytest

pytest.importorskip('mmdet')
pytest.importorskip('mmpretrain')
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from mmrobustprune.engine.bridge.model import example_of_shape, tensor_forward
from mmrobustprune.models.pruned import without_pretrained
from mmrobustprune.recipes.build import build_recipe
from mmrobustprune.scores import build_score
from mmrobustprune.surgery import prune_channels

CONFIGS = Path(__file__).parents[2] / 'configs' / 'adasap'


@pytest.mark.slow
@pytest.mark.parametrize(
    'name, dense, kept, side',
    [
        ('resnet50_8xb128-adasap-p24_in1k', 25_557_032, 0.76, 64),
        ('resnet50_8xb128-adasap-sam-p58_in1k', 25_557_032, 0.42, 64),
        ('mobilenet-v1_8xb128-adasap-sam-p61_in1k', 4_231_976, 0.39, 64),
        ('mobilenet-v2_8xb128-adasap-sam-p12_in1k', 3_504_872, 0.88, 64),
        ('resnet50_8xb128-adasap-p60_in1k', 25_557_032, 0.40, 64),
        ('resnet50_8xb128-adasap-p80_in1k', 25_557_032, 0.20, 64),
        ('mobilenet-v1_8xb128-adasap-p44_in1k', 4_231_976, 0.56, 64),
        ('mobilenet-v2_8xb128-adasap-p50_in1k', 3_504_872, 0.50, 64),  # the size is ours
        ('ssd512_r50-adasap-p50_voc0712', 15_248_068, 0.50, 512),  # likewise
    ],
)
def test_the_share_of_parameters_kept(name, dense, kept, side):
    config = Config.fromfile(CONFIGS / f'{name}.py')
    recipe = build_recipe(config.robust_prune)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        model = MODELS.build(without_pretrained(config.model))
    model.init_weights()
    assert sum(p.numel() for p in model.parameters()) == dense
    prune_channels(
        model,
        example_of_shape(model, side, side),
        recipe.target,
        score=build_score(recipe.score),
        ignore=recipe.ignore,
        budget=recipe.budget,
        scope=recipe.scope,
        min_keep=recipe.min_keep,
        round_to=recipe.round_to,
        forward=tensor_forward,
    )
    share = sum(p.numel() for p in model.parameters()) / dense
    assert kept - 0.01 <= share <= kept + 1e-9
