import numpy as np
import torch
from mmcv import ops

PAIR = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5], [20, 20, 30, 30]])


def test_a_box_over_the_threshold_goes():
    scores = torch.tensor([0.9, 0.8, 0.7])
    assert ops.nms(PAIR, scores, 0.49)[1].tolist() == [0, 2]
    assert ops.nms(PAIR, scores, 0.5)[1].tolist() == [0, 1, 2]  # IoU 1/2 is not over 1/2


def test_the_threshold_is_a_float32():
    """IoU 7/10 in float32 lies below 0.7 in float64 and is not over 0.7 in float32."""
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 7]])
    assert ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.7)[1].tolist() == [0, 1]
    boxes[1, 3] = 6  # 6/10 in float32 is over 0.6 in float64
    assert ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.6)[1].tolist() == [0, 1]


def test_offset_1_counts_the_last_pixel():
    """IoU 4/8 without, 9/15 with it."""
    boxes = torch.tensor([[0.0, 0, 2, 4], [0, 0, 2, 2]])
    kept = [ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.55, offset)[1] for offset in (0, 1)]
    assert [indices.tolist() for indices in kept] == [[0, 1], [0]]


def test_equal_scores_are_taken_in_the_order_of_torchs_sort():
    """The compiled operator's; a stable sort, as in torchvision, has another beyond a few boxes."""
    torch.manual_seed(0)
    scores = torch.randint(0, 3, (200,)) / 4
    corner = torch.arange(200.0)[:, None] * 10
    apart = torch.cat([corner, corner, corner + 5, corner + 5], 1)
    assert torch.equal(ops.nms(apart, scores, 0.5)[1], scores.sort(descending=True).indices)


def test_no_boxes():
    dets, kept = ops.nms(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert dets.shape == (0, 5) and kept.shape == (0,)
    dets, kept = ops.soft_nms(torch.zeros(0, 4), torch.zeros(0))
    assert dets.shape == (0, 5) and kept.shape == (0,)


def test_scores_decay_with_overlap():
    scores = torch.tensor([0.8, 0.6, 0.5])
    expected = dict(naive=[0.8, 0.5], linear=[0.8, 0.5, 0.3], gaussian=[0.8, 0.5, 0.6 * 0.60653])
    for method, left in expected.items():
        dets, kept = ops.soft_nms(PAIR, scores, 0.3, 0.5, 0.1, method)
        assert kept.tolist() == [0, 2, 1][: len(left)]
        torch.testing.assert_close(dets[:, 4], torch.tensor(left), rtol=1e-5, atol=1e-6)
        assert torch.equal(dets[:, :4], PAIR[kept])


def test_a_score_decays_once_for_each_better_box():
    boxes = PAIR[[0, 1, 1]]
    dets, kept = ops.soft_nms(boxes, torch.tensor([0.8, 0.6, 0.4]), 0.3, 0.5, 0.01, 'linear')
    assert kept.tolist() == [0, 1]  # 0.8, 0.6 / 2, 0.4 / 2 * 0
    torch.testing.assert_close(dets[:, 4], torch.tensor([0.8, 0.3]))


def test_a_match_says_what_suppressed_what():
    dets = torch.cat([PAIR, torch.tensor([[0.7], [0.9], [0.8]])], 1)
    groups = ops.nms_match(dets, 0.5)  # from the threshold on
    assert [group.tolist() for group in groups] == [[1, 0], [2]]
    groups = ops.nms_match(dets.numpy(), 0.51)
    assert all(isinstance(group, np.ndarray) for group in groups)
    assert [group.tolist() for group in groups] == [[1], [2], [0]]
