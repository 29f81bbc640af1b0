"""Where packages lie, as mmengine asks it."""

import sys
import types
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import mmdet
import PIL
import pytest
from mmengine.utils import package_utils

from mmrobustprune.compat import packages


def test_what_newer_setuptools_lack_is_not_asked_for(monkeypatch):
    """Whoever imported mmengine's functions has ours, those who have others of the name do not."""
    monkeypatch.setitem(sys.modules, 'pkg_resources', None)  # importing it fails

    def is_installed(package):
        import pkg_resources  # noqa: F401

        return True

    module = types.SimpleNamespace(is_installed=is_installed, get_installed_path=len)
    assert packages.asks_pkg_resources(module)
    user = types.ModuleType('user')
    user.is_installed = is_installed
    other = types.ModuleType('other')
    other.is_installed = str
    monkeypatch.setitem(sys.modules, 'user', user)
    monkeypatch.setitem(sys.modules, 'other', other)
    packages.ask_standard_library(module)
    assert user.is_installed is packages.is_installed and other.is_installed is str


def test_a_module_that_knows_is_left_alone():
    assert not packages.asks_pkg_resources(packages)


@pytest.mark.parametrize('name', ['mmdet', 'mmengine', 'torch', 'pytest', 'no_such_package'])
def test_both_say_what_mmengine_says(name):
    pytest.importorskip('pkg_resources')
    assert packages.is_installed(name) == package_utils.is_installed(name)
    if packages.is_installed(name):
        assert Path(packages.get_installed_path(name)).samefile(
            package_utils.get_installed_path(name)
        )


def test_folders(tmp_path, monkeypatch):
    """By distribution, by the module's name in it, by a module on the path alone."""
    assert Path(packages.get_installed_path('mmdet')).samefile(Path(mmdet.__file__).parent)
    assert Path(packages.get_installed_path('Pillow')).samefile(Path(PIL.__file__).parent)
    (tmp_path / 'lonely').mkdir()
    (tmp_path / 'lonely' / '__init__.py').touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert packages.get_installed_path('lonely') == str(tmp_path / 'lonely')
    assert not packages.is_installed('nowhere')
    with pytest.raises(PackageNotFoundError):
        packages.get_installed_path('nowhere')
