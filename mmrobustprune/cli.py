"""What the command lines share: OpenMMLab's options, help, wrong input in one sentence."""

from __future__ import annotations

import argparse
import ast
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError


def parser_of(doc: str, config: bool = True) -> argparse.ArgumentParser:
    """A parser whose help is the tool's own docstring, its example included."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if config:
        parser.add_argument('config', help='config file')
    return parser


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that training and testing share, with OpenMMLab's names."""
    parser.add_argument(
        '--work-dir', help='folder for logs and results (default: work_dirs/<config>)'
    )
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm', 'mpi'),
        default='none',
        help='who starts the processes',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change config fields, e.g. robust_prune.target=0.6 train_dataloader.batch_size=4',
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def default_work_dir(config: str, suffix: str) -> Path:
    """work_dirs/<config>_<suffix>.

    Every pruned network's config is called pruned.py, so its folder's name stands in front.
    """
    path = Path(config).resolve()
    name = f'{path.parent.name}_pruned' if path.stem == 'pruned' else path.stem
    return Path('work_dirs', f'{name}_{suffix}')


def one_or_several(text: str) -> str | tuple[str, ...]:
    """`a,b` as ('a', 'b'); a name alone as itself."""
    names = tuple(text.split(','))
    return names if len(names) > 1 else text


def kind(text: str) -> str | dict[str, Any]:
    """`beam,width=8` as dict(type='beam', width=8), values as in Python; a name alone as itself."""
    name, *given = text.split(',')
    fields = {}
    for pair in given:
        key, equals, value = pair.partition('=')
        if not equals:
            raise argparse.ArgumentTypeError(
                f"'{pair}' of '{text}' has no value; write NAME,KEY=VALUE, e.g. beam,width=8."
            )
        try:
            fields[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            fields[key] = value
    return dict(type=name, **fields) if fields else name


def run(main: Callable[[], Any]) -> None:
    """Call a tool's main; wrong input ends with one sentence on stderr and exit code 2.

    With MMRP_TRACEBACK=1 in the environment the error keeps its traceback.
    """
    try:
        main()
    except (ValueError, TypeError, FileNotFoundError, ModuleNotFoundError, URLError) as error:
        ours = str(getattr(error, 'name', '')).startswith('mmrobustprune')
        if ours or os.environ.get('MMRP_TRACEBACK'):
            raise
        print(f'{Path(sys.argv[0]).stem}: {_sentence(error)}', file=sys.stderr)
        sys.exit(2)


def _sentence(error: Exception) -> str:
    if isinstance(error, URLError):
        return (
            f'a download failed ({error.reason}); connect this machine, or put the data where the '
            "config's data_root says."
        )
    if isinstance(error, ModuleNotFoundError):
        return (
            f'{error.name} is not installed for {sys.executable}; run `bash tools/setup_env.sh` '
            'and `source .venv/bin/activate`, or install the extras of setup.py.'
        )
    return str(error)
