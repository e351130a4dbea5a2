"""API keys: created on the command line, stored as digests, required by every operation."""
