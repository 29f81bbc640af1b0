# CIFAR-10 as SR-GKP normalises it, with all training images, as each method's paper has it; the
# learning rates are those of the papers, too. They start from a trained network.
_base_ = ['../../sr_gkp/_base_/cifar10.py', 'mmpretrain::_base_/default_runtime.py']

runner_type = 'mmrobustprune.PruneRunner'
train_dataloader = dict(batch_size=128, dataset=dict(indices=None))
val_dataloader = dict(dataset=dict(split='test', indices=None))
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=5e-4))
