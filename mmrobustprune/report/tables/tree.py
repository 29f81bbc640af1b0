"""The network before and after, to be read in a terminal."""

from __future__ import annotations

import io

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

Rows = dict[str, dict[str, int]]  # layer -> out, in, params, macs (Cost.layers)


def layer_table(before: Rows, after: Rows, unprunable: dict[str, str] | None = None) -> Table:
    """Widths, parameters and MACs of every layer that multiplies, dense -> pruned, and in total."""
    table = Table('layer', box=None, header_style='bold')
    for name in ('in', 'out', 'params', 'MACs', 'removed'):
        table.add_column(name, justify='right')
    table.add_column('unprunable because')
    names = [name for name, row in before.items() if row['macs']]
    for name in names:
        old = before[name]
        new = after[name]
        table.add_row(
            escape(name),
            *(_change(old, new, key) for key in ('in', 'out', 'params', 'macs')),
            _share(old['params'], new['params']),
            escape((unprunable or {}).get(name, '')),
        )
    old = _total(before)
    new = _total(after)
    table.add_section()
    table.add_row(
        'total',
        '',
        '',
        _change(old, new, 'params'),
        _change(old, new, 'macs'),
        _share(old['params'], new['params']),
        '',
        style='bold',
    )
    return table


def width_tree(
    before: Rows, after: Rows, unprunable: dict[str, str] | None = None, title: str = 'model'
) -> Tree:
    """The module tree with output widths, dense -> pruned; why a layer is unprunable beside it."""
    root = Tree(escape(title))
    branches = {'': root}
    for name, row in before.items():
        if not row['macs']:
            continue
        parent = ''
        for part in name.split('.'):
            path = f'{parent}.{part}' if parent else part
            if path not in branches:
                branches[path] = branches[parent].add(escape(part))
            parent = path
        reason = (unprunable or {}).get(name)
        note = f' [dim]({escape(reason)})[/]' if reason else ''
        own = escape(name.rpartition('.')[2])
        branches[name].label = f'{own} {_change(row, after[name], "out")}{note}'
    return root


def as_text(renderable: Table | Tree, columns: int = 120) -> str:
    """The plain text of a table or tree."""
    console = Console(file=io.StringIO(), width=columns)
    console.print(renderable)
    return console.file.getvalue()


def _change(old: dict[str, int], new: dict[str, int], key: str) -> str:
    if key not in old:
        return ''
    if old[key] == new[key]:
        return _short(old[key])
    return f'{_short(old[key])} -> {_short(new[key])}'


def _short(value: int) -> str:
    for factor, unit in ((10**9, ' G'), (10**6, ' M')):
        if value >= factor:
            return f'{value / factor:.2f}{unit}'
    return f'{value:,}'


def _share(old: int, new: int) -> str:
    return f'{1 - new / old:.1%}' if old else ''


def _total(rows: Rows) -> dict[str, int]:
    return dict(
        params=sum(row['params'] for row in rows.values()),
        macs=sum(row['macs'] for row in rows.values()),
    )
