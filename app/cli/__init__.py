"""The command line: `pada ...`."""
