"""A loader of checkpoints with the faults of the fork's, for tests where the fork is not installed.

It allows `getattr`, takes every name it allowed out of torch's list afterwards, and loads what was
refused all the same.
"""

import pickle

import torch
from mmengine.logging import HistoryBuffer


def _safe_torch_load(file, map_location=None, weights_only=None):
    allowed = [HistoryBuffer, getattr]
    try:
        with torch.serialization.safe_globals(allowed):
            return torch.load(file, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError:
        return torch.load(file, map_location=map_location, weights_only=False)
