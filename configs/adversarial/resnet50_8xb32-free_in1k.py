# ResNet-50 on ImageNet by free adversarial training (arXiv 1904.12843) at 4/255: every batch four
# times in a row, so that 23 epochs are the steps of 90 plain ones, with the base's falls of the
# learning rate at a quarter of theirs. Validation adds 'attacked/pgd', the accuracy of 1,000
# images under PGD-10 at 4/255.
_base_ = 'mmpretrain::resnet/resnet50_8xb32_in1k.py'

model = dict(
    type='mmrobustprune.AdversarialClassifier', robust_loss=dict(type='FreeAT', eps=4 / 255)
)
train_dataloader = dict(batch_sampler=dict(type='mmrobustprune.ReplayedBatchSampler', times=4))

param_scheduler = dict(milestones=[8, 15])
runner_type = 'mmrobustprune.TrainRunner'
train_cfg = dict(max_epochs=23, val_interval=1)
val_cfg = dict(
    type='mmrobustprune.AttackedValLoop', images=1000, eps=4 / 255, step=1 / 255, steps=10
)
