"""Numbers about scores and failures: statistics and clustering."""
