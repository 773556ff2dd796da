"""Delivery of alerts beside the loops' passes."""
