# HYDRA alone: 90 % of the weights removed in 6 epochs of search, then 6 of fine-tuning.
_base_ = './resnet20_trades-10k.py'

runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(
    recipe='s2ap_hydra',
    target=0.9,
    perturb='none',
    finetune_gamma=0.0,
    search='6 epochs',
    warmup='2 epochs',
    select='best',
)
train_cfg = dict(max_epochs=12, val_interval=1)
custom_hooks = [
    dict(type='mmrobustprune.ChannelsLastHook'),
    dict(type='mmrobustprune.SearchMeasureHook', lambda_max=dict(batches=1, iterations=10)),
]
