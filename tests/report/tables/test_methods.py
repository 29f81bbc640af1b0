"""The checklist of the methods as a table."""

from dataclasses import fields

from mmrobustprune.recipes import Facts, checklist
from mmrobustprune.report import as_text
from mmrobustprune.report.tables.methods import TITLES, methods_markdown, methods_table


def test_a_row_per_method_says_all_there_is_to_know():
    one = Facts('A et al.', 'weight', 'in rounds', 'masked', 'the last', 'images', 'twice', 'odd')
    assert methods_markdown({'a': one, 'b': Facts('B')}).splitlines()[2:] == [
        '| `a` | weight | in rounds | masked | the last | images | twice | odd | A et al. |',
        '| `b` | channel | once | removed | the first | none | none | - | B |',
    ]
    assert TITLES.keys() == {field.name for field in fields(Facts)}


def test_the_terminal_shows_every_recipe():
    text = as_text(methods_table(checklist(), 'Recipes'), columns=200)
    assert all(f' {name} ' in f' {text} ' for name in checklist())
