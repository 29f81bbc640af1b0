# The schedule of AdaSAP (arXiv 2306.14306, A.3 and A.5) for 8 GPUs x 128 images, dense training
# and pruning alike: SGD, peak learning rate 1.024 after 8 linear epochs, then cosine to 0 at epoch
# 90.
optim_wrapper = dict(optimizer=dict(type='SGD', lr=1.024, momentum=0.875, weight_decay=3.05e-5))
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-3,
        by_epoch=True,
        begin=0,
        end=8,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        by_epoch=True,
        begin=8,
        end=90,
        T_max=82,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(by_epoch=True, max_epochs=90, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=1024)
