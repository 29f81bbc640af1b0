# ResNet-50 on ImageNet by fast adversarial training (arXiv 2001.03994) at 4/255: one step of 1.25
# eps from a random start, 25 epochs with cosine from 0.1. Accuracy under PGD, 'attacked/pgd' in
# validation, shows in time if the network learns to withstand the one step alone.
_base_ = 'mmpretrain::resnet/resnet50_8xb32_in1k.py'

model = dict(
    type='mmrobustprune.AdversarialClassifier', robust_loss=dict(type='FastAT', eps=4 / 255)
)

max_epochs = 25
param_scheduler = dict(
    _delete_=True,
    type='CosineAnnealingLR',
    T_max=max_epochs,
    by_epoch=True,
    convert_to_iter_based=True,
)
runner_type = 'mmrobustprune.TrainRunner'
train_cfg = dict(max_epochs=max_epochs, val_interval=1)
val_cfg = dict(
    type='mmrobustprune.AttackedValLoop', images=1000, eps=4 / 255, step=1 / 255, steps=10
)
