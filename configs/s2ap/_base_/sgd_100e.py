# 100 epochs of 128 images a step: SGD from 0.1 to 0 by a cosine, as HYDRA and HARP train. The
# weight decay is HARP's (HYDRA's is 1e-4, S2AP names none): one value, so that arms differ in the
# method alone.
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4))
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        by_epoch=True,
        begin=0,
        end=100,
        T_max=100,
        convert_to_iter_based=True,
    )
]
train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=128)
