"""A tool runs in a process of its own; its command is returned, its failure said."""

import pytest

from mmrobustprune.engine.comparison import tools


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    monkeypatch.setattr(tools, 'TOOLS', tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'say.py').write_text('import sys; print(sys.argv[1:])')
    (tmp_path / 'fail.py').write_text('raise SystemExit(3)')


def test_the_command_can_be_typed_again(scripts, capfd):
    assert tools.call_tool('say', 'a b', 1) == "python say.py 'a b' 1"
    assert "['a b', '1']" in capfd.readouterr().out


def test_a_tool_that_fails_is_named(scripts):
    with pytest.raises(ValueError, match=r'python fail.py x ended with exit code 3; mend the ca'):
        tools.call_tool('fail', 'x')
