"""Data sets and transforms for OpenMMLab that the experiments need."""
from .remembered import LoadImageOnce
from .shapes import ShapesDataset, write_shapes

__all__ = ['LoadImageOnce', 'ShapesDataset', 'write_shapes']
