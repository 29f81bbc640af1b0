# It loses half its parameters, starting from the trained one; the size is our choice, the paper
# prunes it for latency.
_base_ = './ssd512_r50_voc0712.py'

load_from = 'work_dirs/ssd512_r50_voc0712/epoch_24.pth'
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='adasap', target=0.5)
