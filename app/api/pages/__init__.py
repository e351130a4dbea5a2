"""Pages for people: runs, patterns and rows in a browser."""
