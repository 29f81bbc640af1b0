import numpy as np
import pytest

from mmrobustprune.corruption import Cell
from mmrobustprune.corruption.apply import apply
from mmrobustprune.corruption.images import decode
from mmrobustprune.corruption.workers import PARTS, Task, run_tasks, tree_path
from mmrobustprune.records.contents import digest

FOG = Cell('fog', 2)


def task(out, name, image, before=None):
    return Task(image, name, out, (FOG,), (before,), 'imagenet', 3)


def test_a_file_that_is_there_is_kept_unless_its_checksum_is_another(tmp_path):
    image = np.full((40, 40, 3), 90, np.uint8)
    (tmp_path / PARTS).mkdir()
    file = tree_path(tmp_path, FOG, 'a.jpg')
    assert file == tmp_path / 'fog' / '2' / 'a.png'
    seen = []
    done = run_tasks([task(tmp_path, 'a.jpg', image)], 1, lambda *at: seen.append(at))['a.jpg']
    assert np.array_equal(decode(file), apply(image, 'fog', 2, 3)) and seen == [(1, 1)]
    assert done.checksums == (digest(file.read_bytes()),) and not list((tmp_path / PARTS).iterdir())
    when = file.stat().st_mtime_ns
    again = run_tasks([task(tmp_path, 'a.jpg', image, done.checksums[0])], 1, lambda *_: None)
    assert again['a.jpg'] == done and file.stat().st_mtime_ns == when
    run_tasks([task(tmp_path, 'a.jpg', image, 'another')], 1, lambda *_: None)
    assert file.stat().st_mtime_ns > when


def test_what_cannot_be_corrupted_is_counted_after_all_others_are_written(tmp_path):
    (tmp_path / PARTS).mkdir()
    right = np.full((40, 40, 3), 90, np.uint8)
    tasks = [task(tmp_path, 'b', right.astype(float)), task(tmp_path, 'a', right)]
    sentence = (
        r'1 of 2 images are left out \(b\), the others are written: fog got an image of float64'
    )
    with pytest.raises(ValueError, match=sentence):
        run_tasks(tasks, 1, lambda *_: None)
    assert tree_path(tmp_path, FOG, 'a').is_file()
