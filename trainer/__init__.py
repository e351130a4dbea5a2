"""Everything about the student: rows, tasks, fine-tuning, prediction, embedding. Imports none of our other packages."""
