"""Images a second of the training, beside Keras's own networks and a PyTorch loop: ``python -m benchmarks.training``."""
