# SSD512 with ResNet-50 under a latency budget.
_base_ = ['./ssd512_r50_voc0712.py', '../recipes/adasap_latency.py']

load_from = 'work_dirs/ssd512_r50_voc0712/epoch_24.pth'
robust_prune = dict(
    target=0.5, batch=32, rounds=30, interval=30
)  # 2 times as fast as the dense network on the GPU that trains
