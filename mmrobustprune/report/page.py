"""One HTML page from texts, tables and pictures that lie beside it."""
from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .cards import Card

_STYLE = '''
body{font:16px/1.55 system-ui,"Segoe UI",Roboto,sans-serif;color:#22262b;max-width:58rem;margin:3rem auto;padding:0 1.2rem}
h1{font-size:1.7rem;margin:0 0 .3rem}h2{font-size:1.1rem;margin:2.4rem 0 .5rem}p{margin:.3rem 0 .8rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.45rem .7rem;text-align:right;border-bottom:1px solid #e6e8eb}th{color:#5b636d;font-weight:600}
th:first-child,td:first-child{text-align:left}b{color:#2f7d54}
img{max-width:100%;display:block;margin:.6rem 0}
pre{background:#f5f6f8;border-radius:6px;padding:1rem;overflow-x:auto;font-size:.8rem;line-height:1.35}
footer{margin-top:3rem;color:#8a929c;font-size:.85rem}
'''


@dataclass(frozen=True)
class Part:
    """A section: its title, one sentence, and a picture's file name, a text block or a table."""
    title: str
    note: str = ''
    picture: str = ''
    text: str = ''
    table: Card | None = None

    def html(self) -> str:
        lines = [f'<h2>{html.escape(self.title)}</h2>']
        if self.note:
            lines.append(f'<p>{html.escape(self.note)}</p>')
        if self.table:
            lines.append(_table(self.table))
        if self.picture:
            name = html.escape(self.picture, quote=True)
            lines.append(f'<a href="{name}"><img src="{name}" alt="{html.escape(self.title, quote=True)}"></a>')
        if self.text:
            lines.append(f'<pre>{html.escape(self.text)}</pre>')
        return '\n'.join(lines)


def write_page(path: str | Path, title: str, parts: Sequence[Part], foot: str = '') -> Path:
    """Write the page to `path`; returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    body = '\n'.join(part.html() for part in parts)
    path.write_text(
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{_STYLE}</style>\n'
        f'<h1>{html.escape(title)}</h1>\n{body}\n<footer>{html.escape(foot)}</footer></html>\n', encoding='utf-8')
    return path


def _table(card: Card) -> str:
    rows = [['', *(column.title for column in card.columns)], *card.texts('\0{}')]
    cells = [[f'<b>{html.escape(text[1:])}</b>' if text.startswith('\0') else html.escape(text) for text in row]
             for row in rows]
    head = ''.join(f'<th>{cell}</th>' for cell in cells[0])
    return f'<table><tr>{head}</tr>\n' + '\n'.join(
        '<tr>' + ''.join(f'<td>{cell}</td>' for cell in row) + '</tr>' for row in cells[1:]) + '</table>'
