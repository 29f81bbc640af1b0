"""What the command lines share: OpenMMLab's options, help, wrong input in one sentence."""

from __future__ import annotations

import argparse
import ast
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.error import URLError

CONFIG = 'config file: a path, or package::path as in _base_'
WRONG_INPUT = (ValueError, TypeError, FileNotFoundError, ModuleNotFoundError, URLError)
UPSTREAM = (KeyError, AssertionError)  # of OpenMMLab, where a config is wrong
FORWARD = {  # what functions advise -> the option of `add_forward`
    "in a config robust_prune.forward='package.module:function'": (
        '--forward package.module:function'
    ),
}
OPTIONS: dict[str, str] = {}  # field -> the option of the tool that runs


class Parser(argparse.ArgumentParser):
    """A parser that remembers its options, so that errors can speak of them."""

    def parse_args(self, *args: Any, **kwargs: Any) -> argparse.Namespace:
        found = super().parse_args(*args, **kwargs)
        OPTIONS.clear()  # of a tool that ran before in this process
        self.note_options()
        return found

    def error(self, message: str) -> NoReturn:
        """End as all wrong input does: the tool and a sentence, after how it is called."""
        self.print_usage(sys.stderr)
        self.exit(2, f'{Path(self.prog.split()[0]).stem}: {message}\n')

    def note_options(self) -> None:
        """Put the names of all options into `OPTIONS`."""
        for action in self._actions:
            if action.option_strings:
                OPTIONS[action.dest] = action.option_strings[0]
            elif isinstance(action.choices, Mapping):
                for choice in action.choices.values():
                    if isinstance(choice, Parser):  # of a subcommand; else names of other things
                        choice.note_options()


def parser_of(doc: str, config: bool = True) -> argparse.ArgumentParser:
    """A parser whose help is the tool's own docstring, its example included."""
    parser = Parser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if config:
        parser.add_argument('config', help=CONFIG)
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


def add_forward(parser: argparse.ArgumentParser) -> None:
    """The option that names another forward than the model's own."""
    parser.add_argument(
        '--forward',
        default='',
        metavar='PACKAGE.MODULE:FUNCTION',
        help="called as function(model, example) instead of the model's own tensor forward, which "
        "may not suit (default: the config's robust_prune.forward)",
    )


def default_work_dir(config: str, suffix: str) -> Path:
    """work_dirs/<config>_<suffix>, for pruned.py with the name of its folder in front.

    Every pruned network's config is called pruned.py.
    """
    path = Path(config.rpartition('::')[2]).resolve()
    folder = f'{path.parent.name}_' if path.stem == 'pruned' else ''
    return Path('work_dirs', f'{folder}{path.stem}_{suffix}')


def one_or_several(text: str) -> str | tuple[str, ...]:
    """`a,b` as ('a', 'b'); a name alone as itself."""
    names = tuple(text.split(','))
    return names if len(names) > 1 else text


def positive(text: str) -> int:
    """A whole number of at least 1."""
    number = int(text) if text.strip().lstrip('-').isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number of at least 1; give one.")
    return number


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


def run(main: Callable[[], Any], said: Mapping[str, str] | None = None) -> None:
    """Call a tool's main; wrong input ends with one sentence on stderr and exit code 2.

    With MMRP_TRACEBACK=1 in the environment the error keeps its traceback.

    Args:
        main: of the tool.
        said: advice to who calls the functions -> the same to who gives this tool's options.
    """
    try:
        main()
    except (*WRONG_INPUT, *UPSTREAM, ImportError) as error:  # the last: a broken installation
        own = str(getattr(error, 'name', '')).startswith('mmrobustprune')
        own |= isinstance(error, KeyError) and ' registry. ' not in str(error)
        own |= isinstance(error, AssertionError) and not str(error)  # nothing that could be said
        if os.environ.get('MMRP_TRACEBACK') or own:
            raise
        tool = Path(sys.argv[0]).stem
        print(f'{tool}: {in_options(sentence_of(error), said or {})}', file=sys.stderr)
        sys.exit(2)


def sentence_of(error: Exception) -> str:
    """What an error says, with what to do about it."""
    if isinstance(error, URLError):
        return (
            f'a download failed ({error.reason}); connect this machine, '
            "or put the data where the config's data_root says."
        )
    if isinstance(error, KeyError):  # of mmengine: a type of the config that is not registered
        return (
            f'{error.args[0].partition(". ")[0]}; mend the spelling of that type in the config, or '
            'import the module that registers it by custom_imports.'
        )
    if isinstance(error, ModuleNotFoundError):
        return (
            f'{error.name} is not installed for {sys.executable}; run `bash tools/setup_env.sh` '
            'and `source tools/activate`, or install the extras of setup.py.'
        )
    if isinstance(error, AssertionError):
        said = str(error).splitlines()[0].rstrip('.')
        return f'{said}; mend that in the config.'
    if isinstance(error, ImportError):
        reason = str(error).partition('\n')[0]
        return f'{reason} (`mmrobustprune doctor` says more, MMRP_TRACEBACK=1 where it came from)'
    return str(error)


def in_options(text: str, said: Mapping[str, str]) -> str:
    """A sentence about fields (`robust_prune.target=2`, `min_keep`), about this tool's options."""
    for ours, theirs in said.items():
        text = text.replace(ours, theirs)
    for field, option in OPTIONS.items():
        text = re.sub(rf'\brobust_prune\.{field}\b', option, text)
        text = re.sub(rf'(?<![^\s]){field}=', f'{option}=', text)
        if '_' in field:
            text = re.sub(rf'(?<![\w.\-/<]){field}(?![\w/>]|\.\w)', option, text)
    return text
