"""Objects from dicts, and what is said of names that are not known."""

from dataclasses import dataclass

import pytest

from mmrobustprune.naming import build, nearest, unknown


@dataclass
class Way:
    length: float
    steps: int = 1


@dataclass
class Path(Way):
    hidden: str = ''


def made(config, default=None):
    return build(
        config, 'way', Way, {'Way': Way, 'Path': Path}, "way=dict(type='Way', length=2.0)", default
    )


def test_dicts_become_objects():
    assert made(dict(type='Path', length=2.0, hidden='x', _scope_='mmdet')) == Path(2.0, 1, 'x')
    assert made(dict(type=Path, length=1.0)) == Path(1.0) and made(
        dict(length=3.0), default='Way'
    ) == Way(3.0)
    way = Way(1.0)
    assert made(way) is way
    config = dict(type='Way', length=1.0)
    made(config)
    assert config == dict(type='Way', length=1.0)


@pytest.mark.parametrize(
    'config, error, words',
    [
        (
            dict(type='way', length=1),
            ValueError,
            r"unknown way 'way' \(did you mean 'Way'\?\); choose among Way, Path.",
        ),
        (dict(type='Road', length=1), ValueError, "unknown way 'Road'; choose"),
        (dict(length=1), ValueError, "unknown way 'None'"),
        (dict(type=dict), ValueError, 'unknown way'),
        (dict(type='Way', lenght=1), ValueError, "field of way Way 'lenght'.*'length'"),
        (
            dict(type='Way'),
            ValueError,
            r"way Way lacks length; write way=dict\(type='Way', length=2.0\).",
        ),
        (2.0, TypeError, '2.0 is no way; write way=dict'),
    ],
)
def test_what_is_wrong_is_said(config, error, words):
    with pytest.raises(error, match=words):
        made(config)


def test_names():
    assert (
        nearest('sonw', ('snow', 'fog')) == " (did you mean 'snow'?)"
        and nearest('x', ('snow',)) == ''
    )
    assert str(unknown('thing', 'a', ())) == "unknown thing 'a'; choose among none."
