"""`mmrobustprune.engine.probe`, where the first version had them; use `bridge.model`."""

from mmrobustprune.engine.bridge.model import example_of_shape, tensor_forward

__all__ = ['example_of_shape', 'tensor_forward']
