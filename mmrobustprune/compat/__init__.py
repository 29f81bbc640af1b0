"""Mends of the projects underneath.

`onednn`, for torch, is in force wherever this package is imported; `fixes` are for OpenMMLab.
"""
