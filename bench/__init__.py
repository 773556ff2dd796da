"""Benchmarks: every figure is a ratio of two things measured side by side in one run, median of several rounds.

``python -m bench`` runs all, ``python -m bench ingest snapshot`` some. Nothing here is a test and nothing fails on a
slow machine: the aims stand beside the figures.
"""
