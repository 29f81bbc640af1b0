# The small vision transformer on SVHN by TRADES, dense, for 100 epochs; what every search of
# this network starts from (work_dirs/vit-small-p4_trades-100e_svhn/epoch_100.pth).
_base_ = './vit-small-p4_1xb128-100e_svhn.py'

model = dict(
    type='mmrobustprune.AdversarialClassifier',
    robust_loss=dict(type='TRADES', beta=6.0, eps=8 / 255, step=2 / 255, steps=10),
)
val_cfg = dict(type='mmrobustprune.AttackedValLoop')
