"""The daemon's listener: who may ask, how many at a time, and what is answered."""
