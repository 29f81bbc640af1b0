# ResNet-18 on CIFAR-10 by TRADES (arXiv 1901.08573), as the dense networks of HYDRA, HARP and S2AP
# are trained: PGD-10 at 8/255, beta 6, 100 epochs, batch 128 on one GPU, SGD with cosine from 0.1.
# Validation adds 'attacked/pgd', the accuracy of 1,000 test images under PGD-10; no checkpoint is
# chosen by it, as it is of the test set. A search that chooses its mask by it (select='best') needs
# val_dataloader with held-out images, as in configs/s2ap.
_base_ = 'mmpretrain::resnet/resnet18_8xb16_cifar10.py'

model = dict(
    type='mmrobustprune.AdversarialClassifier',
    robust_loss=dict(type='TRADES', beta=6.0, eps=8 / 255, step=2 / 255, steps=10),
)
train_dataloader = dict(batch_size=128)
val_dataloader = dict(batch_size=250)
test_dataloader = dict(batch_size=250)

max_epochs = 100
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4))
param_scheduler = dict(
    _delete_=True,
    type='CosineAnnealingLR',
    T_max=max_epochs,
    by_epoch=True,
    convert_to_iter_based=True,
)
runner_type = 'mmrobustprune.TrainRunner'
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
val_cfg = dict(
    type='mmrobustprune.AttackedValLoop', images=1000, eps=8 / 255, step=2 / 255, steps=10
)
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=2))
