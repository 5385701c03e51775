"""From a trained run to everything that runs it: .pb, ONNX, UFF, INT8, and the bundle that holds them."""
