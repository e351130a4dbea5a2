"""Comparisons of `pada compare`, read from their folders while they work."""
