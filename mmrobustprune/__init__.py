"""Vision networks made small and robust at once, inside OpenMMLab.

The plain rooms (`sharpness`, `scores`, `masks`, `surgery`, `corruption`, `report`) need PyTorch alone; `engine`, `models` and
`datasets` are the OpenMMLab side, imported by mmengine when a config says `type='mmrobustprune.X'`.
"""
__version__ = '0.1.0'
