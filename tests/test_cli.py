"""What the command lines share."""

import argparse
import sys
from pathlib import Path
from urllib.error import URLError

import pytest

from mmrobustprune import cli


def end_of(main, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['tools/train.py'])
    with pytest.raises(SystemExit) as end:
        cli.run(main)
    assert end.value.code == 2
    return capsys.readouterr().err.strip()


@pytest.fixture(autouse=True)
def no_options(monkeypatch):
    """Those of tools that other tests ran in this process."""
    monkeypatch.setattr(cli, 'OPTIONS', {})


def test_wrong_input_is_one_sentence(monkeypatch, capsys):
    def main():
        raise ValueError('target=2 is not in (0, 1); give a fraction.')

    assert end_of(main, monkeypatch, capsys) == 'train: target=2 is not in (0, 1); give a fraction.'


def test_another_python_is_told_where_the_right_one_is(monkeypatch, capsys):
    def main():
        import no_such_package  # noqa: F401

    error = end_of(main, monkeypatch, capsys)
    assert (
        error.startswith(f'train: no_such_package is not installed for {sys.executable}; ')
        and 'source tools/activate' in error
    )


def test_a_type_that_is_not_registered_is_one_sentence(monkeypatch, capsys):
    registry = pytest.importorskip('mmengine.registry')

    def main():
        with registry.DefaultScope.overwrite_default_scope('mmengine'):
            registry.MODELS.build(dict(type='ResNot'))

    assert end_of(main, monkeypatch, capsys) == (
        'train: ResNot is not in the mmengine::model registry; mend the spelling of that type in '
        'the config, or import the module that registers it by custom_imports.'
    )


def test_what_openmmlab_asserts_of_a_config_is_one_sentence(monkeypatch, capsys):
    models = pytest.importorskip('mmengine.model')

    def main():
        models.ImgDataPreprocessor(mean=[0] * 4, std=[1] * 4)

    assert end_of(main, monkeypatch, capsys) == (
        'train: `mean` should have 1 or 3 values, to be compatible with RGB or gray image, but got '
        '4 values; mend that in the config.'
    )


def raised(error):
    raise error


@pytest.mark.parametrize('error', [KeyError('absent'), AssertionError()])
def test_what_says_nothing_keeps_its_traceback(error):
    with pytest.raises(type(error)):
        cli.run(lambda: raised(error))


def test_a_broken_installation_is_one_sentence(monkeypatch, capsys):
    def main():
        raise ImportError("torchvision's operators do not load; install another.\n  a long tail")

    assert end_of(main, monkeypatch, capsys) == (
        "train: torchvision's operators do not load; install another. (`mmrobustprune doctor` says "
        'more, MMRP_TRACEBACK=1 where it came from)'
    )


def test_a_defect_of_our_own_keeps_its_traceback():
    def main():
        import mmrobustprune.nowhere  # noqa: F401

    with pytest.raises(ModuleNotFoundError):
        cli.run(main)


def test_a_download_without_a_network_is_one_sentence(monkeypatch, capsys):
    def main():
        raise URLError('Name or service not known')

    assert end_of(main, monkeypatch, capsys) == (
        'train: a download failed (Name or service not known); connect this machine, '
        "or put the data where the config's data_root says."
    )


def test_pruned_networks_have_default_folders_of_their_own(tmp_path):
    assert cli.default_work_dir('configs/my_ssd.py', 'attacked') == Path(
        'work_dirs/my_ssd_attacked'
    )
    assert cli.default_work_dir(str(tmp_path / 'a' / 'pruned.py'), 'attacked') == Path(
        'work_dirs/a_pruned_attacked'
    )


def test_names_alone_or_several():
    assert cli.one_or_several('conv1') == 'conv1'
    assert cli.one_or_several('conv1,conv2') == ('conv1', 'conv2')


def test_a_kind_with_its_fields():
    assert cli.kind('beam') == 'beam'
    found = cli.kind('beam,width=8,share=0.5,name=x,flag=True')
    assert found == dict(type='beam', width=8, share=0.5, name='x', flag=True)
    with pytest.raises(argparse.ArgumentTypeError, match="'width' of 'beam,width' has no value"):
        cli.kind('beam,width')


def test_the_options_of_a_run_have_openmmlabs_names():
    parser = cli.parser_of('Does something.\n\nExample: tools/x.py c.py')
    cli.add_run_arguments(parser)
    found = parser.parse_args(['c.py', '--cfg-options', 'a=1', 'b=2', '--amp'])
    assert (found.config, found.cfg_options, found.amp) == ('c.py', ['a=1', 'b=2'], True)
    assert (found.work_dir, found.launcher, found.local_rank) == (None, 'none', 0)
    assert 'Example: tools/x.py c.py' in parser.format_help()
    assert cli.default_work_dir('mmdet::ssd/ssd300_coco.py', 'attacked') == Path(
        'work_dirs/ssd300_coco_attacked'
    )


@pytest.mark.parametrize(
    'text, said',
    [
        ('robust_prune.target=2 is not in (0, 1).', '--target=2 is not in (0, 1).'),
        ('lower the target or min_keep.', 'lower the target or --min-keep.'),
        ("min_keeper, a.min_keep and '<min_keep>' stay", None),
        ('robust_prune.rule has no option here', None),
        ('see X.y for why', '--why says why'),
        ("target='x' and dict(target=1) are", "--target='x' and dict(target=1) are"),
    ],
)
def test_errors_speak_of_the_options_of_the_tool(monkeypatch, text, said):
    monkeypatch.setattr(cli, 'OPTIONS', {})
    parser = cli.parser_of('doc', config=False)
    parser.add_argument('--target', type=float)
    parser.add_argument('--min-keep', type=float)
    parser.parse_args([])
    assert cli.in_options(text, {'see X.y for why': '--why says why'}) == (said or text)


def test_the_options_of_subcommands_count_too(monkeypatch):
    monkeypatch.setattr(cli, 'OPTIONS', {})
    parser = cli.parser_of('doc', config=False)
    parser.add_subparsers(dest='kind').add_parser('one').add_argument('--batch-size')
    parser.parse_args(['one'])
    assert cli.in_options('batch_size is 0', {}) == '--batch-size is 0'


def test_choices_that_name_something_else_than_subcommands(monkeypatch):
    monkeypatch.setattr(cli, 'OPTIONS', {})
    parser = cli.parser_of('doc', config=False)
    parser.add_argument('experiment', choices={'bccd': object()})
    assert parser.parse_args(['bccd']).experiment == 'bccd'


@pytest.mark.parametrize('text', ['0', '-3', 'x', '1.5', ''])
def test_a_number_of_at_least_one(text):
    assert cli.positive('12') == 12
    with pytest.raises(argparse.ArgumentTypeError, match='no whole number of at least 1'):
        cli.positive(text)
