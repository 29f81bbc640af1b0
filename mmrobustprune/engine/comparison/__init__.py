"""Methods side by side: an experiment as data, run, resumed, shared among machines, recorded."""
