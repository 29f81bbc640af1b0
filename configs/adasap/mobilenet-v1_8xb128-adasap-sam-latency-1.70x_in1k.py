# MobileNetV1 1.70 times as fast on the GPU that trains (arXiv 2306.14306, table 9, without ASAM).
_base_ = ['./mobilenet-v1_8xb128-90e_in1k.py', '../recipes/adasap_latency.py']

load_from = 'work_dirs/mobilenet-v1_8xb128-90e_in1k/epoch_90.pth'
robust_prune = dict(
    target=1 - 1 / 1.70,
    batch=256,
    warmup='10 epochs',
    rounds=30,
    interval=30,
    rule=dict(type='AdaSAP', rho_min=0.01, rho_max=0.1, adaptive=False),
    finetune_rule=dict(type='SAM', rho=0.05, params='weight'),
)
