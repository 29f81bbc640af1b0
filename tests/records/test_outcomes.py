"""Answers come back from a record bit by bit, and say which images they are of."""

import json

import numpy as np

from mmrobustprune.records.outcomes import pack_outcomes, unpack_outcomes


def test_answers_come_back():
    right = np.arange(13) % 3 == 0
    packed = json.loads(json.dumps(pack_outcomes(right, range(13))))
    assert unpack_outcomes(packed).tolist() == right.tolist()
    assert packed['images'] == 13 and packed['right'] == 'kkg='  # 1001 0010 0100 1


def test_other_images_have_another_name():
    one = pack_outcomes([True], [4])['which']
    assert one == pack_outcomes([False], [4])['which'] == pack_outcomes([True], '4')['which']
    assert one != pack_outcomes([True], [5])['which']
