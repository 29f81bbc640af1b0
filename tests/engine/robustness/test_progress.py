import io

from rich.console import Console

from mmrobustprune.corruption import Cell
from mmrobustprune.corruption.suites import CLEAN
from mmrobustprune.engine.robustness.progress import LogProgress, shown_on, title

FOG = [Cell('fog', 1), Cell('fog', 2)]


def test_a_pass_is_named_by_its_corruption_and_severities():
    assert title([CLEAN]) == 'clean' and title(FOG) == 'fog 1 2'


def test_a_line_says_what_is_left_of_the_pass_and_of_the_run():
    said = []
    log = LogProgress(said.append, every=0)
    log(FOG, 1, 3, 0, 4)
    log(FOG, 1, 3, 2, 4)
    assert said == ['fog 1 2: batch 2 of 4, 0 s left; cell 2 of 3, 0.0 min left']


def test_lines_do_not_come_too_often():
    said = []
    log = LogProgress(said.append, every=60)
    for done in range(5):
        log(FOG, 1, 3, done, 4)
    assert said == []


def test_a_terminal_shows_two_bars():
    out = io.StringIO()
    with shown_on(Console(file=out, force_terminal=True, width=100)) as progress:
        progress(FOG, 1, 3, 0, 4)
        progress(FOG, 1, 3, 4, 4)
    assert 'fog 1 2' in out.getvalue() and '4/4' in out.getvalue() and '3/3' in out.getvalue()


def test_no_terminal_gets_lines():
    with shown_on(Console(file=io.StringIO())) as progress:
        assert isinstance(progress, LogProgress)
