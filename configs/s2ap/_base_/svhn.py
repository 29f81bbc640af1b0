# SVHN likewise; its digits are not mirrored.
_base_ = './cifar10.py'

svhn = dict(type='mmrobustprune.SVHN', data_root='data/svhn')
train_dataloader = dict(
    dataset=dict(
        **svhn,
        indices=68_257,
        pipeline=[dict(type='RandomCrop', crop_size=32, padding=4), dict(type='PackInputs')],
    )
)
val_dataloader = dict(dataset=svhn)
test_dataloader = dict(dataset=svhn)
