# VGG-16-BN on SVHN by TRADES, for 220 epochs that a recipe divides: 100 dense, 20 of search, 100 of
# fine-tuning.
_base_ = './vgg16-bn_1xb128-100e_svhn.py'

model = dict(
    type='mmrobustprune.AdversarialClassifier',
    robust_loss=dict(type='TRADES', beta=6.0, eps=8 / 255, step=2 / 255, steps=10),
)
train_cfg = dict(max_epochs=220)
val_cfg = dict(type='mmrobustprune.AttackedValLoop')
