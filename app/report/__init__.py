"""What a run leaves for people: the page, the model card and the closing lines of the terminal."""
