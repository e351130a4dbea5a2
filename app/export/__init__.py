"""Takes the best student of a run to where models are served."""
