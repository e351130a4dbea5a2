"""The report of a run, as a page, a model card and the closing lines of the terminal."""
