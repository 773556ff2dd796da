"""opsd: the operations manager for fleets of autonomous agent loops."""

__version__ = "0.1.0"
