"""What can be known of rows and settings before money or minutes are spent."""
