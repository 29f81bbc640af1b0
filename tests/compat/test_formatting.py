"""A config is formatted once, however often its text is asked for."""

from types import SimpleNamespace

from mmengine.config import Config
from mmengine.config import config as upstream

from mmrobustprune.compat import formatting


def test_only_the_last_texts_are_kept_and_each_with_its_options():
    asked = []

    def format_code(text, **options):
        asked.append((text, options))
        return [text.upper()], True

    module = SimpleNamespace(FormatCode=format_code)
    assert formatting.formats_again(module)
    formatting.format_once(module)
    assert not formatting.formats_again(module)
    asked.clear()
    for _ in range(3):
        assert module.FormatCode('b', style_config=dict(x=1)) == (['B'], True)
    assert module.FormatCode('b', style_config=dict(x=2)) == (['B'], True)
    assert asked == [('b', dict(style_config=dict(x=1))), ('b', dict(style_config=dict(x=2)))]
    for number in range(formatting.KEPT):
        module.FormatCode(str(number))
    module.FormatCode('b', style_config=dict(x=1))
    assert len(asked) == 2 + formatting.KEPT + 1


def test_a_config_that_changes_has_its_own_text(monkeypatch):
    monkeypatch.setattr(upstream, 'FormatCode', upstream.FormatCode.__wrapped__)
    assert formatting.formats_again(upstream)
    formatting.format_once(upstream)
    config = Config(dict(a=1))
    assert config.pretty_text == 'a = 1\n'
    config.a = [2, 3]
    assert Config.fromstring(config.pretty_text, '.py').a == [2, 3]
