"""What every room of the engine asks of OpenMMLab: Runner, config, checkpoint, model, data."""
