"""`pada compare`: several methods on the same task, student and budget, with intervals and p-values."""
