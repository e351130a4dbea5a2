"""One measurement a module; each has `run(check)`."""
