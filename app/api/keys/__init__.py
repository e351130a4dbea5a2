"""API keys: made on the command line, kept as digests, asked for by every operation."""
