# MobileNetV2 under a latency budget, at the paper's speed-up.
_base_ = ['./mobilenet-v2_8xb128-90e_in1k.py', '../recipes/adasap_latency.py']

load_from = 'work_dirs/mobilenet-v2_8xb128-90e_in1k/epoch_90.pth'
robust_prune = dict(
    target=1 - 1 / 1.39, batch=256, warmup='10 epochs', rounds=30, interval=30
)  # 1.39 times as fast on the GPU that trains
