"""What of both zoos can be pruned: one configuration per family, tried from trace to ONNX."""
