"""Errors of the application, one tree; each is one paragraph for the person who reads it.

PadaError
├── ConfigError     the configuration
└── FolderError     the run's folder: in use, of another run, or not a run
"""

from __future__ import annotations


class PadaError(Exception):
    """Something that the user can mend; the message says how."""


class ConfigError(PadaError):
    """A config file that cannot be used."""


class FolderError(PadaError):
    """A run folder that cannot be used."""
