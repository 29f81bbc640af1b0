"""What one process does for all; with two, in tests of whole trainings."""

import pytest

from mmrobustprune.engine.bridge import dist
from mmrobustprune.engine.bridge.dist import from_main, on_main


def test_the_answer_is_passed_on():
    assert on_main(lambda: dict(a=1)) == dict(a=1)
    assert from_main([1, 2]) == [1, 2]


@pytest.mark.parametrize('problem', [ValueError('wrong'), OSError('full')])
def test_errors_of_input_and_files_are_everybodys(problem):
    def fail():
        raise problem

    with pytest.raises(type(problem), match=str(problem)):
        on_main(fail)


def test_other_processes_do_no_work(monkeypatch):
    monkeypatch.setattr(dist, 'is_main_process', lambda: False)
    monkeypatch.setattr(dist, 'broadcast_object_list', lambda box: box.__setitem__(0, 'main'))
    assert on_main(lambda: pytest.fail('a second process did the work')) == 'main'
