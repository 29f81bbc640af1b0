# RAP-ADMM (ICCV 2019): half of the filters of a network trained under attack. 100 epochs at 0.01 in
# which they are pulled to zero, then 100 of fine-tuning, at a tenth of it and from 150 on at a
# hundredth. The loss is TRADES, the paper's PGD; its schedule was not looked up.
_base_ = '../s2ap/resnet18_trades-100e_cifar10.py'

load_from = 'work_dirs/resnet18_trades-100e_cifar10/epoch_100.pth'
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='rap_admm', target=0.5, budget='channels', soft='100 epochs')
optim_wrapper = dict(optimizer=dict(lr=0.01))
param_scheduler = [dict(type='MultiStepLR', milestones=[100, 150], gamma=0.1)]
train_cfg = dict(max_epochs=200)
