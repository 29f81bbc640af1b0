# CIFAR-10 as SR-GKP normalises it, 64 images a step. The last 5,000 training images are held out to
# choose checkpoints by; the paper trains with all of them and chooses on the test images.
_base_ = '../../s2ap/_base_/cifar10.py'

data_preprocessor = dict(mean=[125.307, 122.961, 113.8575], std=[51.5865, 50.847, 51.255])
train_dataloader = dict(batch_size=64)
val_dataloader = dict(batch_size=250)
test_dataloader = dict(batch_size=250)
