"""`pada compare`: several methods on the same task, student and budget, and what can be said of them."""
