# ResNet-20 on CIFAR-10 stored as JPEG by TRADES with PGD-10 at 8/255, from random weights: the
# trained ones begin at a loss of over 40 under the attack, and their first steps, at a learning
# rate of 0.005 even, leave a network of constant answers. Validation adds 'attacked/pgd', the
# accuracy of 1,000 test images under PGD-10.
_base_ = '../cifar_jpeg/resnet20_cifar10-jpeg.py'

load_from = None

model = dict(
    type='mmrobustprune.AdversarialClassifier',
    robust_loss=dict(type='TRADES', beta=6.0, eps=8 / 255, step=2 / 255, steps=10),
)

max_epochs = 20
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=100),
    dict(
        type='CosineAnnealingLR',
        begin=0,
        T_max=max_epochs,
        end=max_epochs,
        by_epoch=True,
        eta_min=0,
        convert_to_iter_based=True,
    ),
]
runner_type = 'mmrobustprune.TrainRunner'
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
val_cfg = dict(
    type='mmrobustprune.AttackedValLoop', images=1000, eps=8 / 255, step=2 / 255, steps=10
)
