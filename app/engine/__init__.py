"""One run, from its config to its report. Knows nothing of HTTP."""
