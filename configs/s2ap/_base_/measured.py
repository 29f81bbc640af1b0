# What the search is measured by, at the end of its epochs: curvature in the scores, stability,
# rates. --cfg-options custom_hooks.0.along=391 measures curvature at every iteration as well, as
# the paper does; leave that out of runs whose hours are compared.
custom_hooks = [
    dict(type='mmrobustprune.SearchMeasureHook', lambda_max=dict(batches=1, iterations=10), along=0)
]
