"""One HTML page that holds everything: texts, tables, figures; and the sections as Markdown."""

from __future__ import annotations

import base64
import html
import mimetypes
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .tables.cards import Card

_BEST = '\0'  # before the best text of a column
_STYLE = """
:root{color-scheme:light dark;--ink:#22262b;--quiet:#5b636d;--line:#e3e6ea;--back:#fff;
--soft:#f5f6f8;--best:#2f7d54;--link:#2f5d8a}
@media(prefers-color-scheme:dark){:root{--ink:#e4e7eb;--quiet:#9aa3ad;--line:#343a42;
--back:#16191d;--soft:#1f2329;--best:#6fcf9a;--link:#8fb8e0}}
*{box-sizing:border-box}
body{font:16px/1.55 system-ui,"Segoe UI",Roboto,sans-serif;color:var(--ink);
background:var(--back);max-width:66rem;margin:2.5rem auto;padding:0 1.2rem}
h1{font-size:1.8rem;line-height:1.2;margin:0 0 .6rem}
h2{font-size:1.2rem;margin:2.8rem 0 .4rem;scroll-margin-top:1rem}
h2 a{color:inherit;text-decoration:none}
h2 a:hover::after{content:" #";color:var(--quiet)}
p{margin:.3rem 0 .8rem;max-width:48rem}
a{color:var(--link)}
nav{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;padding:.6rem 0;
border-block:1px solid var(--line);font-size:.92rem}
nav a{text-decoration:none}
nav a:hover{text-decoration:underline}
.wide{overflow-x:auto}
table{border-collapse:collapse;min-width:100%;font-variant-numeric:tabular-nums;
white-space:nowrap}
th,td{padding:.42rem .75rem;text-align:right;border-bottom:1px solid var(--line)}
th{color:var(--quiet);font-weight:600}
th:first-child,td:first-child{text-align:left;white-space:normal;overflow-wrap:anywhere;
min-width:9rem}
td b{color:var(--best)}
tbody tr:hover{background:var(--soft)}
figure{display:flex;flex-wrap:wrap;gap:1rem;margin:.8rem 0}
img{max-width:100%;height:auto;background:#fff;padding:.7rem;border:1px solid var(--line);
border-radius:8px}
figure img:not(:only-child){max-width:min(100%,31.5rem);align-self:flex-start}
pre{background:var(--soft);border-radius:8px;padding:1rem;overflow-x:auto;font-size:.8rem;
line-height:1.35}
footer{margin-top:3.5rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--quiet);
font-size:.85rem}
footer dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:.4rem 0}
dt{font-weight:600}
dd{margin:0;overflow-wrap:anywhere}
@media print{nav{display:none}h2{break-after:avoid}img{break-inside:avoid}}
"""


@dataclass(frozen=True)
class Part:
    """A section of the page.

    Attributes:
        note: under the title.
        figure: file names in the page's folder.
        text: a block of its own, as it is.
        files: file name -> content, offered under the table to be saved.
    """

    title: str
    note: str = ''
    figure: str | Sequence[str] = ''
    text: str = ''
    table: Card | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def figures(self) -> tuple[str, ...]:
        if not self.figure:
            return ()
        return (self.figure,) if isinstance(self.figure, str) else tuple(self.figure)

    def html(self, folder: Path, anchor: str) -> str:
        """The section with its figures, read from `folder`, inside it."""
        lines = [
            f'<section id="{anchor}"><h2><a href="#{anchor}">{html.escape(self.title)}</a></h2>'
        ]
        if self.note:
            lines.append(f'<p>{html.escape(self.note)}</p>')
        if self.table:
            lines.append(_table(self.table))
        if self.files:
            links = ', '.join(_link(name, content) for name, content in self.files.items())
            lines.append(f'<p>Save as {links}.</p>')
        if self.figures:
            images = '\n'.join(
                f'<img src="{_uri(name, (folder / name).read_bytes())}" '
                f'alt="{html.escape(self.title, quote=True)}">'
                for name in self.figures
            )
            lines.append(f'<figure>{images}</figure>')
        if self.text:
            lines.append(f'<pre>{html.escape(self.text)}</pre>')
        return '\n'.join([*lines, '</section>'])

    def markdown(self) -> str:
        """The section for GitHub, its figures beside the file."""
        figures = [f'![{self.title}](<{name}>)' for name in self.figures]
        blocks = [
            f'## {self.title}',
            self.note,
            self.table.markdown().rstrip() if self.table else '',
            *figures,
            f'```\n{self.text.rstrip()}\n```' if self.text else '',
        ]
        return '\n\n'.join(block for block in blocks if block) + '\n'


def write_page(
    path: str | Path,
    title: str,
    parts: Sequence[Part],
    foot: str = '',
    stamps: Mapping[str, str] | None = None,
) -> Path:
    """Write the page to `path`, its figures inside it, and return the path.

    Args:
        path: of the page.
        title: of the page.
        parts: its sections.
        foot: a text at the end.
        stamps: what the numbers depend on, at the foot: name -> value.
    Raises:
        FileNotFoundError: a figure is not in the page's folder.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    anchors = _anchors(parts)
    links = ''.join(
        f'<a href="#{anchor}">{html.escape(part.title)}</a>'
        for anchor, part in zip(anchors, parts, strict=True)
    )
    body = '\n'.join(
        part.html(path.parent, anchor) for anchor, part in zip(anchors, parts, strict=True)
    )
    terms = ''.join(
        f'<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>'
        for name, value in (stamps or {}).items()
    )
    lines = [
        '<!doctype html>',
        f'<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f'<style>{_STYLE}</style>',
        f'<h1>{html.escape(title)}</h1>',
        *([f'<nav>{links}</nav>'] if len(parts) > 1 else []),
        body,
        f'<footer>{html.escape(foot)}{f"<dl>{terms}</dl>" if terms else ""}</footer></html>',
    ]
    path.write_text('\n'.join(lines) + '\n', encoding='utf-8')
    return path


def _anchors(parts: Sequence[Part]) -> list[str]:
    """A name for every section, no two the same."""
    found: list[str] = []
    for part in parts:
        name = anchor = re.sub(r'[^a-z0-9]+', '-', part.title.lower()).strip('-') or 'part'
        while anchor in found:
            anchor = f'{name}-{found.count(anchor) + len(found)}'
        found.append(anchor)
    return found


def _link(name: str, content: str) -> str:
    """A link that saves a text as a file."""
    shown = html.escape(name, quote=True)
    return f'<a download="{shown}" href="{_uri(name, content.encode())}">{html.escape(name)}</a>'


def _uri(name: str, content: bytes) -> str:
    kind = mimetypes.guess_type(name)[0] or 'application/octet-stream'
    return f'data:{kind};base64,{base64.b64encode(content).decode()}'


def _table(card: Card) -> str:
    titles = ['', *(column.title for column in card.columns)]
    head = ''.join(f'<th>{html.escape(title)}</th>' for title in titles)
    rows = []
    for row in card.texts(f'{_BEST}{{}}'):
        cells = ''.join(f'<td>{_cell(text)}</td>' for text in row)
        rows.append(f'<tr>{cells}</tr>')
    body = '\n'.join(rows)
    table = f'<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>'
    return f'<div class="wide"><table>{table}</table></div>'


def _cell(text: str) -> str:
    if text.startswith(_BEST):
        return f'<b>{html.escape(text[1:])}</b>'
    return html.escape(text)
