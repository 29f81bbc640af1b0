# LWM (the baseline of HYDRA): 90 % of the weights of a network trained by TRADES, those of least
# magnitude in every layer; 100 epochs dense and 100 of fine-tuning.
_base_ = '../s2ap/resnet18_trades-100e_cifar10.py'

runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='lwm', target=0.9, pretrain='100 epochs')
train_cfg = dict(max_epochs=200)
