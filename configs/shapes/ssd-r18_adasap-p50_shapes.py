# The small SSD of the shapes set loses half its parameters, starting from the trained one.
_base_ = './ssd-r18_shapes.py'

load_from = 'work_dirs/ssd-r18_shapes/epoch_4.pth'
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='adasap', target=0.5, warmup=0.15, rounds=12, prune=0.3)
