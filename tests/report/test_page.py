import base64
import re

import pytest

from mmrobustprune.report.page import Part, write_page
from mmrobustprune.report.tables.cards import Card, Column

PIXEL = base64.b64decode(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUl'
    'EQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
)


def test_a_page_escapes_what_it_shows_and_holds_its_figures(tmp_path):
    (tmp_path / 'a"b.png').write_bytes(PIXEL)
    text = write_page(
        tmp_path / 'p.html',
        't <',
        [Part('<i>', '<u>', figure='a"b.png', files={'x<.csv': '1,2'})],
        '<foot>',
        {'<data>': '<none>'},
    ).read_text()
    for tag in ('<i>', '<u>', '<foot>', '<data>', '<none>', 'x<.csv'):
        assert tag not in text
    sources = re.findall(r'(?:src|href)="([^"#]*)"', text)
    assert sources and all(source.startswith('data:') for source in sources)
    assert base64.b64encode(PIXEL).decode() in text and base64.b64encode(b'1,2').decode() in text


def test_sections_have_anchors_of_their_own(tmp_path):
    text = write_page(
        tmp_path / 'p.html',
        't',
        [Part('Every cell'), Part('Every cell'), Part('???'), Part('Part')],
    ).read_text()
    anchors = re.findall(r'<section id="([^"]+)"', text)
    assert anchors[0] == 'every-cell' and len(set(anchors)) == 4
    assert re.findall(r'<a href="#([^"]+)">', text.split('</nav>')[0]) == anchors


def test_the_best_of_a_column_is_marked_and_dark_screens_are_served(tmp_path):
    card = Card([dict(name='a', x=0.1), dict(name='b', x=0.2)], [Column('x', 'X', '.1f', 'high')])
    text = write_page(tmp_path / 'p.html', 't', [Part('Table', table=card)]).read_text()
    assert (
        '<td><b>0.2</b></td>' in text
        and '<td>0.1</td>' in text
        and 'prefers-color-scheme:dark' in text
    )


def test_a_section_is_markdown_too():
    card = Card([dict(name='a', x=0.1)], [Column('x', 'X', '.1f')])
    text = Part('Title', 'A note.', ('a.png', 'b.png'), 'code', card).markdown()
    assert (
        text.startswith('## Title\n\nA note.\n\n|  | X |')
        and '![Title](<a.png>)\n\n![Title](<b.png>)' in text
    )
    assert '```\ncode\n```' in text


def test_a_figure_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_page(tmp_path / 'p.html', 't', [Part('x', figure='no.png')])
