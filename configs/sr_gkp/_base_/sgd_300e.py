# The paper's schedule for CIFAR-10, of the fine-tuning: 300 epochs, the rate falls to a tenth every
# 100. Dense networks are trained alike from a rate of 0.1, which is our choice: the paper does not
# say how its own were trained. All checkpoints are kept, to choose among.
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4))
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[100, 200], gamma=0.1)]
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=64)
