import sys

from mmrobustprune.compat.after_import import after_import


def test_it_waits_for_the_module_and_happens_once(tmp_path, monkeypatch):
    (tmp_path / 'comes_later.py').write_text('value = 1\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, 'meta_path', list(sys.meta_path))
    before = list(sys.meta_path)
    seen = []
    after_import('comes_later', seen.append)
    assert not seen and len(sys.meta_path) == len(before) + 1
    import comes_later

    assert seen == [comes_later] and comes_later.value == 1 and sys.meta_path == before
    after_import('comes_later', lambda module: seen.append(module.value))
    assert seen == [comes_later, 1]
    del sys.modules['comes_later']


def test_a_module_that_is_not_there_is_missed_as_ever(monkeypatch):
    monkeypatch.setattr(sys, 'meta_path', list(sys.meta_path))
    seen = []
    after_import('never_there', seen.append)
    try:
        import never_there  # noqa: F401
    except ModuleNotFoundError as error:
        assert error.name == 'never_there'
    assert not seen
