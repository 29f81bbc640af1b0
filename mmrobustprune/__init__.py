"""Vision networks made small and robust at once, inside OpenMMLab.

The plain rooms need PyTorch alone; `compat.fixes`, `models`, `datasets` and `engine` are the
OpenMMLab side, imported by mmengine when a config says `type='mmrobustprune.X'`.
"""

from .compat import extension as _extension  # noqa: F401  before anything asks for mmcv's operators
from .compat import onednn as _onednn  # noqa: F401  before a room trains what oneDNN gets wrong

__version__ = '0.1.0'
