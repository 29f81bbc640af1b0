import numpy as np

from mmrobustprune.datasets.scenes import CLASSES, OUTLINES, PALETTE, draw_scene


def test_every_outline_is_negative_inside_and_positive_outside():
    inside = dict(disc=(0, 0), ring=(0.7, 0), square=(0.8, 0.8), triangle=(0, 0), star=(0, -0.9))
    outside = dict(disc=(1.1, 0), ring=(0, 0), square=(0.9, 0), triangle=(0.9, -0.5), star=(0, 0.8))
    for name, outline in OUTLINES.items():
        assert (
            outline(*map(np.float64, inside[name])) < 0 < outline(*map(np.float64, outside[name]))
        )
    assert len(CLASSES) == len(PALETTE)


def test_a_scene_follows_from_its_generator_and_its_boxes_lie_in_it():
    for seed in range(20):
        scene, again = (draw_scene(np.random.default_rng(seed), 128) for _ in range(2))
        assert np.array_equal(scene.image, again.image) and np.array_equal(scene.boxes, again.boxes)
        assert scene.image.shape == (128, 128, 3) and scene.image.dtype == np.uint8
        assert 1 <= len(scene.boxes) == len(scene.labels) <= 4
        assert (scene.boxes[:, :2] >= 0).all() and (scene.boxes[:, 2:] <= 128).all()
        assert (scene.boxes[:, 2:] - scene.boxes[:, :2] >= 12).all()


def test_published_scenes_stay_what_they_are():
    """Shapes sets are known by their seed, so its images and boxes must never change."""
    scene = draw_scene(np.random.default_rng([5, 1, 2]), 96)
    assert scene.labels.tolist() == [4]
    assert scene.boxes.tolist() == [[9.0, 3.0, 30.0, 24.0]]
    small = scene.image[::8, ::8].astype(int)
    assert np.abs(small.mean((0, 1)) - (164.4, 110.1, 171.6)).max() < 0.1
