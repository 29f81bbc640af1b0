# SR-GKP with the corrected search at the paper's rate, fine-tuned at the paper's learning rate.
_base_ = './resnet20_cifar10-jpeg.py'

runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='sr_gkp', target=0.4375, recalibrate='')  # none when it was recorded
optim_wrapper = dict(optimizer=dict(lr=0.01))
