# ResNet-20 on 10,000 images of CIFAR-10 stored as JPEG, made robust by TRADES; 5,000 others
# validate, the test set only tests. Training attacks in bfloat16, which takes half the time on a
# processor that has it; validation and test attack in float32.
_base_ = '../adversarial/resnet20_trades_cifar10-jpeg.py'

model = dict(robust_loss=dict(dtype='bfloat16'))
train_dataloader = dict(dataset=dict(ann_file='meta/train-10000.txt', data_prefix='train'))
val_dataloader = dict(
    batch_size=50, dataset=dict(ann_file='meta/val-5000.txt', data_prefix='train')
)
test_dataloader = dict(dataset=dict(data_prefix='test'))
val_cfg = dict(images=500)
