"""The supervised loops: how each is followed, passed over, and known."""
