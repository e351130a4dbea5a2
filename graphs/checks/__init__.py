"""Free checks of new rows. They run before a judge is asked."""
