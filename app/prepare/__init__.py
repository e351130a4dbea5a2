"""`pada init`: from the files that people have to the data and the config of a run."""
