# TMI-GKP: groups by what training did to the filters, read from checkpoints of earlier epochs.
# Use as one more base, with the trained weights as load_from and robust_prune.snapshots set to
# where the checkpoints are.
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='tmi_gkp', target=0.4375, snapshots=('epoch_*.pth',))
