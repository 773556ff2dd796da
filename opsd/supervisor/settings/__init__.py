"""What can be set, where it comes from, and how it is shown."""
