"""Export a model to ONNX and make it smaller: prune, quantise, convert to FP16, and check parity."""
