import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmrobustprune.corruption import ALL, Cell, get_suite, workers
from mmrobustprune.corruption.apply import apply
from mmrobustprune.corruption.images import decode
from mmrobustprune.corruption.stored import open_stored
from mmrobustprune.corruption.write import _locked, check_tree, write_tree

ROOT = Path(__file__).parents[2]
VOC = get_suite('voc-c')
CIFAR = get_suite('cifar-10-c')
CELLS = [Cell('gaussian_noise', 1), Cell('fog', 4)]


@pytest.fixture
def files(tmp_path):
    """Five images of odd sizes: JPEG, grey, in folders."""
    found = []
    for index, (name, shape) in enumerate(
        (
            ('a.jpg', (40, 61, 3)),
            ('b/a.jpg', (33, 32, 3)),
            ('b/c.png', (50, 47)),
            ('b/d/e.f.png', (3, 90, 3)),
            ('z.bmp', (35, 36, 3)),
        )
    ):
        path = tmp_path / 'clean' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.random.default_rng(index).integers(0, 256, shape, dtype=np.uint8))
        found.append(path)
    return found


def tree(folder):
    """Relative path -> bytes of everything there."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def test_what_is_stored_is_what_apply_computes(files, tmp_path):
    seen = []
    manifest = write_tree(
        files,
        tmp_path / 'out',
        VOC,
        VOC.choose('all', [2, 5]),
        seed=3,
        progress=lambda *at: seen.append(at),
    )
    assert manifest['images'] == ['a.jpg', 'b/a.jpg', 'b/c.png', 'b/d/e.f.png', 'z.bmp']
    assert seen == [(done, 5) for done in range(1, 6)] and len(manifest['cells']) == 38
    images = open_stored(tmp_path / 'out', VOC)
    for cell in VOC.choose('all', [2, 5]):
        for index, path in enumerate(files):
            expected = apply(cv2.imread(str(path))[..., ::-1], cell.corruption, cell.severity, 3)
            assert np.array_equal(images.read(cell, index, path), expected), (cell, path)
    assert (tmp_path / 'out' / 'fog' / '2' / 'b' / 'd' / 'e.f.png').is_file()
    assert check_tree(tmp_path / 'out') == 190


def test_arrays_are_written_under_their_number_with_the_suites_family(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (11, 32, 32, 3), dtype=np.uint8)
    manifest = write_tree(images, tmp_path, CIFAR, CIFAR.choose('all', 3))
    assert (
        manifest['family'] == 'cifar'
        and manifest['images'][10] == '10.png'
        and manifest['images'][9] == '09.png'
    )
    stored = open_stored(tmp_path, CIFAR)
    for name in ALL:
        assert np.array_equal(
            stored.read(Cell(name, 3), 10, None, images[10]),
            apply(images[10], name, 3, family='cifar'),
        )


def test_workers_cells_in_turns_and_a_second_run_end_with_the_same_bytes(files, tmp_path):
    write_tree(files, tmp_path / 'one', VOC, CELLS)
    write_tree(files, tmp_path / 'two', VOC, CELLS, workers=2)
    write_tree(files, tmp_path / 'turns', VOC, CELLS[1:])
    write_tree(files, tmp_path / 'turns', VOC, CELLS[:1])
    expected = tree(tmp_path / 'one')
    assert len(expected) == 11 and tree(tmp_path / 'two') == expected
    assert tree(tmp_path / 'turns') == expected
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / 'one').rglob('*.png')}
    write_tree(files, tmp_path / 'one', VOC, CELLS)
    assert tree(tmp_path / 'one') == expected
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / 'one').rglob('*.png')} == before


def test_an_image_is_decoded_once_for_all_its_cells(files, tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(workers, 'decode', lambda path: read.append(path) or decode(path))
    write_tree(files, tmp_path / 'out', VOC, VOC.choose('noise'))
    assert read == files


SLOW = """
import sys, time
from pathlib import Path
from mmrobustprune.corruption import get_suite, write
put = Path.write_bytes
def slow(path, data):
    put(path, data[:len(data) // 2])   # what a kill may leave
    time.sleep(.15)
    put(path, data)
Path.write_bytes = slow
suite = get_suite('voc-c')
write.write_tree(sys.argv[2:], sys.argv[1], suite, suite.choose(['gaussian_noise', 'fog'], 3))
"""


def test_killed_at_any_time_it_goes_on_and_ends_with_the_same_bytes(files, tmp_path):
    cells = VOC.choose(['gaussian_noise', 'fog'], 3)
    write_tree(files, tmp_path / 'whole', VOC, cells)
    out = tmp_path / 'killed'
    process = subprocess.Popen([sys.executable, '-c', SLOW, str(out), *map(str, files)], cwd=ROOT)
    deadline = time.monotonic() + 120
    while len(list(out.glob('*/*/**/*.png'))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in out.glob('*/*/**/*.png')}
    assert 3 <= len(kept) < 10
    whole = tree(tmp_path / 'whole')
    assert all(
        path.read_bytes() == whole[str(path.relative_to(out))] for path in kept
    )  # none is half written
    with pytest.raises(
        FileNotFoundError, match='2 of 2 cells are missing'
    ):  # unfinished cells are no cells
        open_stored(out, VOC).check(cells)
    write_tree(files, out, VOC, cells)
    assert tree(out) == whole
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())


def test_a_damaged_file_is_found_and_written_anew(files, tmp_path):
    write_tree(files, tmp_path / 'out', VOC, CELLS)
    expected = tree(tmp_path / 'out')
    changed, cut, gone = (
        tmp_path / 'out' / name
        for name in ('fog/4/a.png', 'fog/4/z.png', 'gaussian_noise/1/b/c.png')
    )
    changed.write_bytes(changed.read_bytes().replace(b'IDAT', b'JDAT'))
    cut.write_bytes(cut.read_bytes()[:-9])
    gone.unlink()
    with pytest.raises(
        ValueError,
        match=r'3 of 10 files of .* are missing or changed \(gaussian_noise/1/b/c.png, fog/4/a.png',
    ):
        check_tree(tmp_path / 'out', workers=3)
    write_tree(files, tmp_path / 'out', VOC, CELLS)
    assert tree(tmp_path / 'out') == expected and check_tree(tmp_path / 'out') == 10


@pytest.mark.parametrize('workers', [1, 2])
def test_images_that_cannot_be_read_are_counted_and_named_and_the_others_written(
    files, tmp_path, workers
):
    files[1].write_bytes(b'no image')
    files[4].unlink()
    with pytest.raises(
        ValueError,
        match=r'2 of 5 images are left out \(b/a.jpg, z.bmp\), the others are written: '
        r'.*a.jpg is no',
    ):
        write_tree(files, tmp_path / 'out', VOC, CELLS, workers=workers)
    assert len(list((tmp_path / 'out').rglob('*.png'))) == 6
    with pytest.raises(FileNotFoundError, match='cells are missing'):
        open_stored(tmp_path / 'out', VOC).check(CELLS)
    for index in (1, 4):
        cv2.imwrite(str(files[index]), np.zeros((40, 40, 3), np.uint8))
    write_tree(files, tmp_path / 'out', VOC, CELLS)
    assert check_tree(tmp_path / 'out') == 10


def test_a_full_disk_is_said_and_leaves_nothing_half_written(files, tmp_path, monkeypatch):
    real = Path.write_bytes
    count = []

    def full(path, data):
        if path.parent.name == workers.PARTS:
            count.append(path)
            if len(count) > 5:
                real(path, data[:10])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, 'write_bytes', full)
        with pytest.raises(
            OSError,
            match='has no space left; what is written stays: make room and give the same command '
            'again',
        ):
            write_tree(files, tmp_path / 'out', VOC, CELLS)
    found = list((tmp_path / 'out').rglob('*.png'))
    assert len(found) == 5 and all(cv2.imread(str(path)) is not None for path in found)
    assert not (tmp_path / 'out' / workers.PARTS).exists()
    write_tree(files, tmp_path / 'out', VOC, CELLS)
    assert check_tree(tmp_path / 'out') == 10


class _Deadly(str):
    """A path whose worker is killed as soon as it arrives."""

    def __reduce__(self):
        return _kill_in_child, (os.getpid(), str(self))


def _kill_in_child(parent, path):
    if os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    return path


@pytest.mark.slow
def test_a_worker_that_dies_is_said(files, tmp_path):
    with pytest.raises(
        ChildProcessError, match=r'a worker process died after \d of 5 images .* fewer workers'
    ):
        write_tree([*files[:4], _Deadly(files[4])], tmp_path / 'out', VOC, CELLS, workers=2)
    write_tree(files, tmp_path / 'out', VOC, CELLS)
    assert check_tree(tmp_path / 'out') == 10


def test_a_folder_of_something_else_is_refused(files, tmp_path):
    out = tmp_path / 'out'
    write_tree(files, out, VOC, CELLS)
    for words, what in (
        (dict(seed=1), 'seed'),
        (dict(images=files[:4]), 'images'),
        (dict(suite=get_suite('coco-c')), 'suite'),
    ):
        with pytest.raises(
            ValueError, match=f'was written with other values of {what}; give another folder'
        ):
            write_tree(**{**dict(images=files, out=out, suite=VOC, cells=CELLS), **words})
    manifest = json.loads((out / 'manifest.json').read_text())
    manifest['versions']['numpy'] = '1.0'
    (out / 'manifest.json').write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match='other values of versions'):
        write_tree(files, out, VOC, CELLS)
    (out / 'manifest.json').unlink()
    with pytest.raises(ValueError, match='holds gaussian_noise, fog and no manifest.json'):
        write_tree(files, out, VOC, CELLS)
    with pytest.raises(ValueError, match='is no folder'):
        write_tree(files, files[0], VOC, CELLS)
    with pytest.raises(FileNotFoundError, match='has no manifest.json; write the tree first'):
        check_tree(out)


def test_two_runs_in_one_folder_are_refused(files, tmp_path):
    with (
        _locked(tmp_path / 'out'),
        pytest.raises(ValueError, match='another process is writing'),
    ):
        write_tree(files, tmp_path / 'out', VOC, CELLS)


def test_images_without_names_of_their_own_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r'2 images share their name .*\(a.jpg, a.png\); rename'):
        write_tree(
            [tmp_path / 'a.jpg', tmp_path / 'a.png', tmp_path / 'b.png'], tmp_path / 'out', VOC
        )
    with pytest.raises(ValueError, match='no image to corrupt'):
        write_tree([], tmp_path / 'out', VOC)


def test_an_image_that_the_family_is_not_for_is_named(files, tmp_path):
    with pytest.raises(ValueError, match="5 of 5 images are left out .* choose family 'imagenet'"):
        write_tree(files, tmp_path / 'out', CIFAR, CELLS)


def test_a_suite_of_tensors_is_not_stored(files, tmp_path):
    with pytest.raises(ValueError, match="while it is evaluated .* write 'voc-c'"):
        write_tree(files, tmp_path / 'out', get_suite('imagenet-c-tensor'))
