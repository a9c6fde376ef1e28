"""Examine the machine, the installation and the data folder, and say what to do about each fault (`akin doctor`)."""
