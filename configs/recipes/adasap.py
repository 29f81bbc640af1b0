# AdaSAP: a radius per neuron primes the network, neurons are removed in rounds, one radius for all
# makes the rest robust. Use as one more base:  _base_ = ['mmdet::pascal_voc/ssd512_voc0712.py',
# '<checkout>/configs/recipes/adasap.py']
runner_type = 'mmrobustprune.PruneRunner'
robust_prune = dict(recipe='adasap', target=0.5)
