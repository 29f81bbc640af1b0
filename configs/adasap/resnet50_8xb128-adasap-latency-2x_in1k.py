# ResNet-50 under a latency budget.
_base_ = ['./resnet50_8xb128-90e_in1k.py', '../recipes/adasap_latency.py']

load_from = 'work_dirs/resnet50_8xb128-90e_in1k/epoch_90.pth'
robust_prune = dict(
    target=0.5, batch=256, warmup='10 epochs', rounds=30, interval=30
)  # 2 times as fast on the GPU that trains
