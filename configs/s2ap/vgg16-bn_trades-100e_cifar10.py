# VGG-16-BN on CIFAR-10 by TRADES, dense, for 100 epochs; what every search of this network
# starts from (work_dirs/vgg16-bn_trades-100e_cifar10/epoch_100.pth).
_base_ = './vgg16-bn_1xb128-100e_cifar10.py'

model = dict(
    type='mmrobustprune.AdversarialClassifier',
    robust_loss=dict(type='TRADES', beta=6.0, eps=8 / 255, step=2 / 255, steps=10),
)
val_cfg = dict(type='mmrobustprune.AttackedValLoop')
