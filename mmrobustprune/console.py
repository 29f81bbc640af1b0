"""`mmrobustprune train CONFIG ...`: the tools of a checkout, from an installed package."""

from __future__ import annotations

import runpy
import sys
from difflib import get_close_matches
from pathlib import Path

from mmrobustprune import doctor

TOOLS = Path(__file__).parent / '.mim' / 'tools'
SHORT = {'latency': ['analyze', 'latency']}  # command -> the tool and its first argument
NEEDS_CHECKOUT = {'quickstart'}


def commands() -> dict[str, str]:
    """Command -> the first line of what it says about itself."""
    found = {'doctor': doctor.__doc__.splitlines()[0]}
    for path in sorted(TOOLS.glob('*.py')):
        if path.stem not in NEEDS_CHECKOUT:
            found[path.stem] = path.read_text().split('"""')[1].splitlines()[0]
    found['latency'] = "The same as 'analyze latency'."
    return found


def main() -> None:
    """Run the tool that the first argument names with the arguments behind it."""
    known = commands()
    name, *arguments = sys.argv[1:] or ['--help']
    if name in ('-h', '--help'):
        print('usage: mmrobustprune COMMAND [arguments]      COMMAND --help says more\n')
        for command, about in known.items():
            print(f'  {command:<15} {about}')
        return
    if name not in known:
        near = ''.join(f" (nearest: '{n}')" for n in get_close_matches(name, known, 1))
        print(
            f"mmrobustprune: there is no command '{name}'{near}; give one of {', '.join(known)}.",
            file=sys.stderr,
        )
        sys.exit(2)
    if name == 'doctor':
        sys.exit(doctor.main(arguments))
    tool, *first = SHORT.get(name, [name])
    script = TOOLS / f'{tool}.py'
    sys.argv = [str(script), *first, *arguments]
    runpy.run_path(str(script), run_name='__main__')


if __name__ == '__main__':
    main()
