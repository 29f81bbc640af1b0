"""How channels flow from layer to layer through the operations of a recorded forward pass."""
