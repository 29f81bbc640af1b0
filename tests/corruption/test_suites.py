import dataclasses

import pytest

from mmrobustprune.corruption import (
    ALL,
    BENCHMARK,
    GROUPS,
    SUITES,
    Cell,
    Suite,
    default_suite,
    expand,
    get_suite,
    metrics,
    suite_of,
    suites,
)


def test_fifteen_benchmark_and_four_extra_corruptions():
    assert len(BENCHMARK) == 15 and len(GROUPS['extra']) == 4 and len(set(ALL)) == 19
    assert BENCHMARK + GROUPS['extra'] == ALL


def test_the_default_is_the_benchmark_at_five_severities():
    cells = get_suite('voc-c').choose()
    assert len(cells) == 75 and cells[0] == Cell('gaussian_noise', 1)
    assert cells[-1] == Cell('jpeg_compression', 5)


def test_a_choice_keeps_the_order_of_the_suite_whatever_the_order_asked_for():
    cells = get_suite('coco-c').choose(['fog', 'noise', 'fog'], (5, 3))
    assert [cell.corruption for cell in cells[::2]] == [
        'gaussian_noise',
        'shot_noise',
        'impulse_noise',
        'fog',
    ]
    assert [cell.severity for cell in cells[:2]] == [3, 5]


def test_one_name_and_one_severity_need_no_list():
    assert get_suite('imagenet-c').choose('fog', 3) == (Cell('fog', 3),)


def test_all_is_nineteen():
    assert len(get_suite('imagenet-c').choose('all', 1)) == 19


@pytest.mark.parametrize(
    'corruptions, severities, sentence',
    [
        (['gausian_noise'], None, "did you mean 'gaussian_noise'"),
        ([], None, 'no corruption was given'),
        (None, [6], r'severity 6 is not in 1\.\.5'),
        (None, [0], 'severity 0'),
        (None, [2.5], r'severity 2\.5'),
        (None, [True], 'severity True'),
        (None, [], 'no severity'),
    ],
)
def test_a_wrong_choice_is_one_sentence(corruptions, severities, sentence):
    with pytest.raises(ValueError, match=sentence):
        get_suite('voc-c').choose(corruptions, severities)


@pytest.mark.parametrize('name', ['cifar-c', 'CIFAR-10-C', 'cifar10-c', 'cifar_10_c', 'cifar10c'])
def test_other_names_of_cifar_10_c_lead_to_it(name):
    with pytest.raises(ValueError, match="did you mean 'cifar-10-c'"):
        get_suite(name)


def test_only_cifar_10_c_has_the_constants_of_cifar():
    assert get_suite('cifar-10-c').family == 'cifar' and len(get_suite('cifar-10-c').choose()) == 75
    assert len(get_suite('cifar-10-c').choose('all')) == 95
    assert [name for name, suite in SUITES.items() if suite.family == 'cifar'] == ['cifar-10-c']
    assert get_suite('imagenet-c-at-32').family == 'imagenet'


def test_tensors_are_chosen_by_name_alone():
    suite = get_suite('imagenet-c-tensor')
    assert suite.tensors and suite.family == 'imagenet' and suite.fits(224, 224)
    for metric in ('VOCMetric', 'CocoMetric', 'Accuracy'):
        assert not default_suite(metric, 'Any', 224, 224).tensors


def test_an_unknown_suite_gives_the_nearest_name():
    with pytest.raises(ValueError, match="did you mean 'voc-c'"):
        get_suite('voc_c')


def test_names_go_with_image_sizes():
    get_suite('imagenet-c-at-32').check(32, 32)
    get_suite('cifar-10-c').check(32, 32)
    get_suite('imagenet-c').check(224, 224)
    with pytest.raises(ValueError, match='imagenet-c-at-32'):
        get_suite('imagenet-c').check(32, 32)
    for name in ('imagenet-c-at-32', 'cifar-10-c'):
        with pytest.raises(ValueError, match='500x375'):
            get_suite(name).check(375, 500)


def test_groups_and_names_mix():
    assert expand(['extra', 'fog']) == ('fog', *GROUPS['extra'])


def test_a_new_group_changes_no_published_mean():
    """The fifteen are written out: what else there is to corrupt with does not count."""
    assert len(BENCHMARK) == 15 and {*BENCHMARK} == {
        *GROUPS['noise'],
        *GROUPS['blur'],
        *GROUPS['weather'],
        *GROUPS['digital'],
    }
    more = dataclasses.replace(SUITES['voc-c'], groups={**GROUPS, 'lens': ('dust', 'vignette')})
    assert more.choose() == SUITES['voc-c'].choose() and len(more.choose('all', 1)) == 21
    assert more.expand(['lens', 'noise'])[-2:] == ('dust', 'vignette')
    assert more.group_of('dust') == 'lens' and more.group_of('fog') == 'weather'


def test_a_new_suite_is_one_object(monkeypatch):
    """Its names, groups, metric and size reach the means and the default without another line."""
    lens = Suite(
        'lens',
        corruptions=('dust', 'vignette'),
        severities=(1, 2, 3),
        side=64,
        groups={'lens': ('dust', 'vignette'), 'other': ('scratch',)},
        metrics=('Accuracy',),
    )
    monkeypatch.setitem(SUITES, 'lens', lens)
    assert default_suite('Accuracy', 'CustomDataset', 64, 64) is lens
    assert default_suite('Accuracy', 'CustomDataset', 64, 48).name == 'imagenet-c-uncropped'
    assert suite_of(dict(suite='lens')) is lens
    values = {cell: 10.0 * cell.severity for cell in lens.choose()}
    values |= {Cell('scratch', level): 90.0 for level in lens.severities}
    found = metrics.summarize(100.0, values, list(values), run=dict(suite='lens'))
    assert (found.mPC, found.rPC) == (20.0, 0.2) and found.R_C == (20 + 20 + 90) / 3 / 100
    with pytest.raises(ValueError, match="corruption 'fog'; choose among dust, vignette, scratch"):
        lens.choose('fog')
    lens.check(64, 64)
    with pytest.raises(ValueError, match="suite 'lens' is for 64x64 images"):
        lens.check(224, 224)


@pytest.mark.parametrize(
    'metric, dataset, shape, name',
    [
        ('VOCMetric', 'VOCDataset', (375, 500), 'voc-c'),
        ('CocoMetric', 'CocoDataset', (480, 640), 'coco-c'),
        ('Accuracy', 'ImageNet', (224, 224), 'imagenet-c'),
        ('SingleLabelMetric', 'CustomDataset', (32, 48), 'imagenet-c-uncropped'),
        ('MultiTasksMetric', 'MultiTaskDataset', (224, 224), 'imagenet-c-uncropped'),
        ('Accuracy', 'CIFAR10', (32, 32), 'cifar-10-c'),
        ('Accuracy', 'SVHN', (32, 32), 'imagenet-c-at-32'),
        ('VOCMetric', 'VOCDataset', (32, 32), 'imagenet-c-at-32'),
    ],
)
def test_a_metric_and_a_size_have_a_suite_by_default(metric, dataset, shape, name):
    assert default_suite(metric, dataset, *shape).name == name
    assert default_suite('DumpResults', dataset, *shape) is None


def test_results_of_an_unknown_suite_have_imagenets_names():
    assert suite_of({}).corruptions == suites.BENCHMARK
    assert suite_of(dict(suite='mine')).all == ALL


def test_one_name_for_whole_photographs_and_for_what_the_authors_cut_out():
    """Records made before the two had names of their own are read as what they are."""
    suite = get_suite('imagenet-c')
    assert suite.stamp(None) == dict(suite='imagenet-c', seed=None)  # the published images
    assert suite.stamp(3) == dict(suite='imagenet-c', seed=3, family='imagenet-c')
    assert get_suite('voc-c').stamp(3) == dict(suite='voc-c', seed=3)
    for record in (suite.stamp(None), suite.stamp(0)):
        assert suite_of(record) is suite
    for old in (
        dict(suite='imagenet-c', seed=0),
        dict(suite='imagenet-c', seed=0, family='imagenet'),
    ):
        assert suite_of(old) is get_suite('imagenet-c-uncropped')
    assert suite.share(15) == '15 of 19 corruptions' and suite.share(19) == 'all 19 corruptions'


def test_imagenet_and_published_sets_are_imagenet_c_by_default():
    assert default_suite('Accuracy', 'ImageNet', 500, 375).name == 'imagenet-c'
    for published, name in ((False, 'imagenet-c-uncropped'), (True, 'imagenet-c')):
        assert default_suite('Accuracy', 'CustomDataset', 500, 375, published).name == name
