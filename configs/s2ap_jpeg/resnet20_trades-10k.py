# ResNet-20 on 10,000 pictures of CIFAR-10 stored as JPEG, made robust by TRADES; 5,000 others validate, the test set only tests.
_base_ = '../adversarial/resnet20_trades_cifar10-jpeg.py'

train_dataloader = dict(dataset=dict(ann_file='meta/train-10000.txt', data_prefix='train'))
val_dataloader = dict(dataset=dict(ann_file='meta/val-5000.txt', data_prefix='train'))
test_dataloader = dict(dataset=dict(data_prefix='test'))
