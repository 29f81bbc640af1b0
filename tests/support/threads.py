"""At the very end of a process, the names of its threads on stderr.

Imported before the process group is begun.
"""

import atexit
import sys
from pathlib import Path


@atexit.register
def tell():
    print(
        'threads left:',
        *(file.read_text().strip() for file in Path('/proc/self/task').glob('*/comm')),
        file=sys.stderr,
    )
