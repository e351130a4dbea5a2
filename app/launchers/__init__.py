"""Where the trainer and the embedder run: processes of this machine, or jobs of a Ray cluster."""
