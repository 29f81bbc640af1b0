"""What a trained network rests on: sharpness, stability, frequencies, time."""
