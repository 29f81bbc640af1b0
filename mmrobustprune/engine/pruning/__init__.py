"""What every training that prunes shares."""
