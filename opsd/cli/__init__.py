"""The commands: argument parsing and printing, one module per group."""
