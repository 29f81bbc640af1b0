# ResNet-50 on ImageNet keeps 40 % of its parameters (arXiv 2306.14306): 10 epochs under a radius
# per neuron, 30 rounds of removal every 30 iterations, one radius for all to epoch 90. rho_min =
# 0.01 and rho_max = 2.0 are the recipe's own.
_base_ = './resnet50_8xb128-90e_in1k.py'

load_from = 'work_dirs/resnet50_8xb128-90e_in1k/epoch_90.pth'
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(
    recipe='adasap', target=0.6, warmup='10 epochs', rounds=30, interval=30, measure='loss'
)
