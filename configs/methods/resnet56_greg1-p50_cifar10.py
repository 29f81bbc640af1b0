# GReg-1 (ICLR 2021): the penalty grows by 1e-4 every 10 iterations up to 1 and stays for 5,000, all
# at 0.001; then 120 epochs (of 391 iterations) from 0.01, divided by 10 at 60 and 90.
_base_ = './_base_/resnet56_cifar10.py'

robust_prune = dict(
    recipe='greg1', target=0.5, budget='macs', grow='100000 iters', hold='5000 iters'
)
optim_wrapper = dict(optimizer=dict(lr=0.001))
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=False, milestones=[105000], gamma=10),
    dict(type='MultiStepLR', by_epoch=False, milestones=[128460, 140190], gamma=0.1),
]
train_cfg = dict(by_epoch=True, max_epochs=389, val_interval=5)
