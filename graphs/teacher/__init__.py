"""The large model: requests, answers, what they cost and what may fail."""
