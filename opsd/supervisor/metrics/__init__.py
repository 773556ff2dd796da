"""The daemon's metrics: the text format, the process, the loops and their supervision."""
