"""Norms across channels that OpenMMLab's projects bring along, each known once it is imported.

Those of weights are among them.
"""

from __future__ import annotations

from mmrobustprune.compat.after_import import after_import
from mmrobustprune.dependency.kinds import FAMILIES
from mmrobustprune.dependency.norms import batch_norm, layer_norm, response_norm, standardised

# module -> {class: its family}
NORMS = {
    'mmcv.ops.sync_bn': dict(SyncBatchNorm=batch_norm),
    'mmcv.cnn.bricks.conv_ws': dict(ConvWS2d=standardised, ConvAWS2d=standardised),
    'mmpretrain.models.utils.norm': dict(GRN=response_norm),
    'mmpretrain.models.backbones.hornet': dict(HorNetLayerNorm=layer_norm),
}


def _know(module: str, families: dict) -> None:
    def add(found) -> None:
        FAMILIES.update({getattr(found, name): family for name, family in families.items()})

    after_import(module, add)


for _module, _families in NORMS.items():
    _know(_module, _families)
