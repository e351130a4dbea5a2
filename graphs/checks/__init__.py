"""Free checks of new rows, before a judge is asked."""
