# ResNet-20 on 10,000 images of CIFAR-10 stored as JPEG, starting from one trained on all.
_base_ = './resnet20_cifar10-jpeg.py'

train_dataloader = dict(dataset=dict(ann_file='meta/train-10000.txt'))
