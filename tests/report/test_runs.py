import json

import pytest

from mmrobustprune.report.gate import failures
from mmrobustprune.report.runs import read_run, read_runs, split_name
from mmrobustprune.report.summary import numbers
from tests.report.records import results, run


def test_a_run_is_read_from_its_folder(work_dirs):
    run = read_run(work_dirs / 'adasap-seed1')
    assert (run.name, run.label, run.metric) == ('adasap', 'adasap-seed1', 'AP50')
    content = run.results
    assert run.record() == dict(
        name='adasap',
        params=50,
        macs=500,
        latency=3.2,
        clean=0.6,
        mPC=content['mPC'],
        rPC=content['rPC'],
    )
    assert run.folder == work_dirs / 'adasap-seed1' / 'corrupted'
    assert (
        run.log.loss[0] == (1, 2.0)
        and run.log.metric == [(3, 0.5)]
        and run.log.share[-1] == (6, 0.5)
    )
    assert run.log.phases == [('adaptive warm-up', 0, 2), ('pruning', 2, 4), ('fine-tuning', 4, 6)]


def test_several_runs_are_repeats_only_where_seeds_say_so(work_dirs):
    def names(*words):
        runs = read_runs(list(map(str, words)))
        return [(run.name, run.label) for run in runs]

    assert names(work_dirs / 'adasap-seed0', work_dirs / 'adasap-seed1') == [
        ('adasap', 'adasap-seed0'),
        ('adasap', 'adasap-seed1'),
    ]
    inner = work_dirs / 'dense' / 'corrupted', work_dirs / 'adasap-seed0' / 'corrupted'
    assert names(*inner) == [('dense/corrupted',) * 2, ('adasap-seed0/corrupted',) * 2]
    assert names(f'ours={inner[1]}', inner[0])[0] == ('ours', 'ours')
    assert names(f'x={inner[1]}', f'x={inner[0]}') == [
        ('x', f'x ({inner[1]})'),
        ('x', f'x ({inner[0]})'),
    ]
    with pytest.raises(ValueError, match='dense is given twice'):
        names(work_dirs / 'dense', f'again={work_dirs / "dense"}')


def test_folders_of_one_name_get_as_much_of_their_paths_as_tells_them_apart(tmp_path):
    places = [tmp_path / name / 'dense' / 'c' for name in ('e1', 'e2')]
    for place, clean in zip(places, (0.8, 0.3), strict=True):
        place.mkdir(parents=True)
        (place / 'results.json').write_text(json.dumps(results(clean=clean)))
    runs = read_runs(places)
    assert [(run.name, run.label) for run in runs] == [('e1/dense/c',) * 2, ('e2/dense/c',) * 2]
    bounds = dict(mPC=0.4)
    found = failures(numbers(read_runs([f'x={place}' for place in places])), bounds, {})
    assert len(found) == 1 and 'e2' in found[0]  # neither hides the other
    with pytest.raises(ValueError, match="two runs are called 'same'"):
        numbers([run('same'), run('same')])


def test_a_resumed_run_replaces_the_lines_it_repeats(work_dirs):
    later = work_dirs / 'dense' / '2025' / 'vis_data'
    later.mkdir(parents=True)
    (later / 'scalars.json').write_text(json.dumps(dict(loss=9.0, iter=6, step=6)))
    log = read_run(work_dirs / 'dense').log
    assert log.loss[-1] == (6, 9.0) and len(log.loss) == 6


def test_folders_that_are_no_run_or_two_are_refused(work_dirs, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='holds no results.json'):
        read_run(tmp_path / 'empty')
    (work_dirs / 'dense' / 'again').mkdir()
    (work_dirs / 'dense' / 'again' / 'results.json').write_text('{}')
    with pytest.raises(ValueError, match='holds 2 files results.json'):
        read_run(work_dirs / 'dense')


def _evaluations(folder, **named):
    for name, clean in named.items():
        (folder / name).mkdir(parents=True)
        (folder / name / 'results.json').write_text(json.dumps(results(clean=clean)))
    return folder


def test_a_folder_of_several_evaluations_is_all_of_them(tmp_path):
    both = _evaluations(tmp_path / 'both', dense=0.8, pruned=0.7)
    (both / 'report').mkdir()
    runs = read_runs([both])
    assert [(one.name, one.results['P']) for one in runs] == [('dense', 0.8), ('pruned', 0.7)]
    third = _evaluations(tmp_path, dense=0.5) / 'dense'
    names = [one.name for one in read_runs([both, third])]
    assert names == ['both/dense', 'pruned', f'{tmp_path.name}/dense']


def test_one_name_for_several_evaluations_is_refused(tmp_path):
    both = _evaluations(tmp_path / 'both', dense=0.8, pruned=0.7)
    sentence = r"'ours' is one name for 2 evaluations in .*both \(dense, pruned\); give the folder"
    with pytest.raises(ValueError, match=sentence):
        read_runs([f'ours={both}'])


def test_two_evaluations_of_one_training_are_not_two_runs(work_dirs):
    _evaluations(work_dirs / 'dense', again=0.3)
    with pytest.raises(ValueError, match='holds 2 files results.json'):
        read_runs([work_dirs / 'dense'])


def test_a_word_is_a_folder_or_a_name_and_a_folder(tmp_path):
    strange = tmp_path / 'lr=0.1'
    strange.mkdir()
    assert split_name(strange) == ('', strange)
    assert split_name(f'ours={tmp_path}') == ('ours', tmp_path)
