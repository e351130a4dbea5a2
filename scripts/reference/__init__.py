"""The generated part of the documentation: config keys, REST operations and commands, read from the code."""
