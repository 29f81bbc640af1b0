"""Mends of the projects underneath: `onednn` for torch, in force wherever this package is imported, `fixes` for OpenMMLab."""
