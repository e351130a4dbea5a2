"""Uploaded rows: streamed to disk, checked line by line, there whole or not at all."""
