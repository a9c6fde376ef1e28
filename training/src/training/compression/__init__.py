"""Export a model to ONNX and make it small: prune, quantise, convert to FP16, and check parity."""
