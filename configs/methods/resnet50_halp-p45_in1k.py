# HALP (NeurIPS 2022), 45 % of the latency of a batch of 256: 30 rounds 40 iterations apart from the
# first one on, blocks of 32 channels; 90 epochs for 8 GPUs x 128 images.
_base_ = '../adasap/resnet50_8xb128-90e_in1k.py'

load_from = 'work_dirs/resnet50_8xb128-90e_in1k/epoch_90.pth'
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='halp', target=0.45, batch=256, round_to=32, rounds=30, interval=40)
model = dict(head=dict(loss=dict(_delete_=True, type='LabelSmoothLoss', label_smooth_val=0.1)))
optim_wrapper = dict(paramwise_cfg=dict(norm_decay_mult=0))
