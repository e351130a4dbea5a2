"""The pictures of the documentation; `scripts/pictures` makes them."""
