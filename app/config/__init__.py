"""The input of a run: its config, its rows and their splits."""
