"""Wrap the operating system: durable files, locks between processes, the features of the CPU."""
