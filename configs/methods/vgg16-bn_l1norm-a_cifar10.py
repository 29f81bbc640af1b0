# L1Norm-A (arXiv:1608.08710) of VGG-16: half of convolutions 1 and 8 to 13; 40 epochs at 0.001.
# 34.2 % of the operations go and 64.3 % of the parameters, 64.0 % with the paper's one more linear
# layer.
_base_ = './vgg16-bn_cifar10.py'

load_from = 'work_dirs/vgg16-bn_cifar10/epoch_200.pth'
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(
    recipe='l1norm',
    rates={'backbone.stage1.conv1': 0.5, 'backbone.stage4.*': 0.5, 'backbone.stage5.*': 0.5},
)
optim_wrapper = dict(optimizer=dict(lr=0.001))
param_scheduler = []
train_cfg = dict(max_epochs=40)
