"""Trained students over OpenAI's API."""
