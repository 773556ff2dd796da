"""The fleet's steps on a timer, and what they work with."""
