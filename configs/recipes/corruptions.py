# Every test is clean and under a corruption suite: P, mPC and rPC in <work_dir>/results.json.
# Goes with a pruning recipe; without one add runner_type = 'mmrobustprune.CorruptionRunner'.
robust_eval = dict(
    suite='auto',  # or 'voc-c', 'coco-c', 'imagenet-c', 'cifar-10-c', 'imagenet-c-at-32'
    corruptions='benchmark',  # the 15; 'all' adds the 4 extra; or a list of names and groups
    severities=[1, 2, 3, 4, 5],
    seed=0,
)
