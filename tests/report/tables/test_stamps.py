"""The foot of a report: what all runs share, and what every run is."""

from mmrobustprune.report.runs import Run
from mmrobustprune.report.tables.stamps import one_device, stamps


def run(label, device='', **changes):
    results = dict(suite='voc-c', metric='pascal_voc/AP50', seed=0, data='d1', images=10)
    cost = dict(latency=3.0, timing=dict(device=device)) if device else None
    return Run('row', results | changes, cost, label=label)


def without(one, *names):
    kept = {key: value for key, value in one.results.items() if key not in names}
    return Run(one.name, kept, one.cost, label=one.label)


def test_one_run_says_all_that_its_number_depends_on():
    one = run(
        'a',
        device='cpu, 1 threads',
        eval_mode='area',
        baseline='alexnet',
        versions=dict(torch='2.1', mmdet='3.3'),
        checkpoint='a.pth',
        stored='/data/voc-c',
        weights='1234',
        config_hash='ab12',
        commit='c0ffee',
        command='python tools/robustness.py a b',
    )
    one.results['device'] = 'cuda'
    assert stamps([one]) == {
        'suite': 'voc-c',
        'metric': 'pascal_voc/AP50, area',
        'seed': '0',
        'data': 'd1, 10 images',
        'baseline of mCE': 'alexnet',
        'versions': 'torch 2.1, mmdet 3.3',
        'a': 'a.pth · stored images /data/voc-c · weights 1234 · config ab12'
        ' · commit c0ffee · on cuda',
        'a: command': 'python tools/robustness.py a b',
        'latency': 'median of one input, cpu, 1 threads',
    }


def test_what_an_old_run_does_not_say_is_not_recorded():
    old = without(run('old', checkpoint='a.pth'), 'data', 'seed')
    assert stamps([old]) == {
        'suite': 'voc-c',
        'metric': 'pascal_voc/AP50',
        'seed': 'not recorded',
        'data': 'not recorded, 10 images',
        'old': 'a.pth',
    }


def test_what_any_run_says_stands_there_with_those_that_are_silent():
    old = without(run('old'), 'data', 'seed')
    new = run('new', eval_mode='area', baseline='alexnet')
    for runs in ([old, new], [new, old]):
        found = stamps(runs)
        assert found['seed'] == '0 (old: not recorded)'
        assert found['data'] == 'd1, 10 images (old: not recorded)'
        assert found['metric'] == 'pascal_voc/AP50, area'
        assert found['baseline of mCE'] == 'alexnet'


def test_images_that_others_corrupted_have_no_seed_and_say_so():
    assert stamps([run('a', seed=None)])['seed'] == 'none, published images'


def test_repeats_have_lines_of_their_own_and_share_their_versions():
    versions = dict(torch='2.1')
    runs = [
        run(f'a-seed{seed}', checkpoint=f'{seed}.pth', versions=versions, command=f'run {seed}')
        for seed in range(2)
    ]
    found = stamps(runs)
    assert list(found)[4:] == [
        'versions',
        'a-seed0',
        'a-seed0: command',
        'a-seed1',
        'a-seed1: command',
    ]
    assert (found['a-seed1'], found['a-seed1: command']) == ('1.pth', 'run 1')
    assert found['versions'] == 'torch 2.1'


def test_other_versions_are_said_run_by_run():
    found = stamps([run('a', versions=dict(torch='2.1')), run('b', versions=dict(torch='2.2'))])
    assert 'versions' not in found
    assert (found['a: versions'], found['b: versions']) == ('torch 2.1', 'torch 2.2')


def test_latencies_of_two_devices_are_told_apart_and_not_compared():
    runs = [run('a', 'cpu'), run('b', 'cuda'), run('c', 'cpu'), run('d')]
    found = stamps(runs)
    assert found['latency (a, c)'] == 'median of one input, cpu'
    assert found['latency (b)'] == 'median of one input, cuda'
    assert not one_device(runs)
    assert one_device(runs[::2]) and one_device([run('d')]) and one_device([])


def test_a_run_that_was_only_timed_has_its_device_alone():
    timed = Run('a', cost=dict(latency=3.0, timing=dict(device='cpu')))
    assert stamps([timed]) == {'latency': 'median of one input, cpu'}
    assert stamps([Run('a', cost=dict(params=3))]) == stamps([]) == {}


def test_a_run_called_like_a_line_of_all_runs_hides_none():
    found = stamps([run('seed', checkpoint='a.pth', command='run it'), run('data')])
    assert found['seed'] == '0' and found['data'] == 'd1, 10 images'
    assert found['run seed'] == 'a.pth' and found['run seed: command'] == 'run it'
    assert found['run data'] == ''
