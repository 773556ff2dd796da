"""The wire contract as code: ids, timestamps, JSON form, envelopes, artifacts, reason codes.

Nothing here touches a file, a socket or a clock, and nothing here imports another room of the house.
"""
