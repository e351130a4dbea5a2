"""What a teacher can do: a few small calls through the client that a run uses."""
