"""Records of an experiment as one page: a table, differences with intervals, ranks, figures."""
