"""Training with Keras: backbones, margin heads, input pipeline, training loop and its verification."""
