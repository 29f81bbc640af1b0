"""Vision networks made small and robust at once, inside OpenMMLab.

The plain rooms need PyTorch alone; `compat.fixes`, `models`, `datasets` and `engine` are the
OpenMMLab side, imported by mmengine when a config says `type='mmrobustprune.X'`.
"""

import sys as _sys

if not (3, 10) <= _sys.version_info[:2] <= (3, 12):
    raise ImportError(
        'mmrobustprune needs Python 3.10, 3.11 or 3.12 and runs in '
        f'{_sys.version_info[0]}.{_sys.version_info[1]}; use one of them '
        '(PYTHON=/path/to/python3.11 bash tools/setup_env.sh makes an environment with it).'
    )

from .compat import extension as _extension  # noqa: E402, F401  before mmcv asks
from .compat import onednn as _onednn  # noqa: E402, F401  before a room trains

__version__ = '0.1.0'
