# The paper's schedule for Tiny-ImageNet and ImageNet, of the fine-tuning: 100 epochs, the rate
# falls to a tenth every 30. Dense networks are trained alike from a rate of 0.1, our choice.
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4))
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[30, 60, 90], gamma=0.1)]
train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=128)
