"""The measured part of docs/scaling.md, from what benchmarks/scaling.py kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PLACE = re.compile(r'(?<=<!-- scaling -->\n).*?(?=<!-- end of scaling -->)', re.S)


def write(result: Path, page: Path) -> None:
    """Put the tables of a result into a page, between its two marks."""
    text = tables(json.loads(result.read_text()))
    page.write_text(PLACE.sub(lambda _: text, page.read_text()))


def tables(found: Mapping[str, Any]) -> str:
    """Sentences and tables in Markdown."""
    model = found['model']
    assumed = found['assumed']
    lines = [
        f'`{found["command"]}`',
        f'on {found["cores"]} cores (load average {found["load"]:.1f} when it began),',
        f'with batches of {found["batch"]} images and {found["gradients"] / 1e6:.1f} MB of',
        f'gradients; medians of {found["rounds"]} steps. Processes that share cores slow each',
        'other down, so what counts is the step with the all-reduce beside the one without.',
        '',
        *_head(
            ('processes', 'scaling', 'step'),
            ('without all-reduce, s', 'with, s', 'computing', 'model, s', 'off'),
        ),
    ]
    for row in found['rows']:
        off = 'fitted' if row['fitted'] else f'{row["error"]:+.1%}'
        numbers = [f'{row[name]:.3f}' for name in ('local', 'measured')]
        numbers += [f'{row["efficiency"]:.0%}', f'{row["predicted"]:.3f}', off]
        lines.append(_row([row['processes'], row['scaling'], row['step'], *numbers]))
    lines += [
        '',
        f'Fitted: a = {model["hop"] * 1e6:.0f} us, b = {model["bandwidth"] / 1e9:.2f} GB/s,',
        f'h = {model["hidden"]:.0%}. {error_of(found["rows"])}',
        '',
        f'Extrapolated to GPUs with a = {assumed["hop"] * 1e6:.0f} us, b =',
        f'{assumed["bandwidth"] / 1e9:.1f} GB/s, {assumed["gradients"] / 1e6:.1f} MB of gradients',
        f'and {assumed["compute"]:g} s for a plain step (assumed, not measured); the share of the',
        'time that is computing, with nothing and with everything hidden that can be:',
        '',
        *_head((), ('GPUs', 'all-reduce, ms', 'plain step', 'two-pass step')),
    ]
    for row in found['extrapolated']:
        shares = ['{:.0%} to {:.0%}'.format(*row[step]) for step in ('plain', 'two_pass')]
        lines.append(_row([row['processes'], f'{row["all_reduce"] * 1e3:.1f}', *shares]))
    return '\n'.join([*lines, ''])


def error_of(rows: Iterable[Mapping[str, Any]]) -> str:
    """How far the model is from steps that nothing was fitted to."""
    errors = [abs(row['error']) for row in rows if not row['fitted']]
    if not errors:
        return 'No steps were measured that it was not fitted to.'
    return f'The model is off by at most {max(errors):.1%} in the steps it was not fitted to.'


def _head(words: tuple[str, ...], numbers: tuple[str, ...]) -> list[str]:
    below = ['---'] * len(words) + ['---:'] * len(numbers)
    return [_row([*words, *numbers]), _row(below)]


def _row(cells: Iterable[Any]) -> str:
    return f'| {" | ".join(map(str, cells))} |'
