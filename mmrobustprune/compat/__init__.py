"""Mends of the projects underneath.

`onednn` is for torch and in force wherever this package is imported, `fixes` is for OpenMMLab.
"""
