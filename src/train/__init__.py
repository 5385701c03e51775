"""Keras: backbones, margin heads, input pipeline, training and Table 5."""
