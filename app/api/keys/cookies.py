"""Signing in from a browser: a cookie that names a key, and the tokens of forms."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from itsdangerous import BadSignature, URLSafeTimedSerializer

COOKIE = "pada_session"
LONGEST_SESSION = 7 * 24 * 3600
"""Seconds after which a browser must sign in again."""
LONGEST_FORM = 24 * 3600
"""Seconds for which a form may lie open."""


class Signer:
    """Signs what a browser brings back, so that nobody else can make it.

    Args:
        secret: the same in every process of a service.
    """

    def __init__(self, secret: str):
        self._sessions = URLSafeTimedSerializer(secret, salt="session")
        self._forms = URLSafeTimedSerializer(secret, salt="form")

    def session(self, key: str) -> str:
        """The cookie of a browser that has signed in with the key of this id."""
        return str(self._sessions.dumps(key))

    def key_of(self, cookie: str) -> str | None:
        """Id of the key that a cookie names; None for one that is forged or too old."""
        return _read(self._sessions, cookie, LONGEST_SESSION)

    def form_token(self, owner: str) -> str:
        """A token for the forms that this caller is shown."""
        return str(self._forms.dumps(owner))

    def is_of_form(self, token: str, owner: str) -> bool:
        """Whether a form with this token was shown to this caller."""
        return _read(self._forms, token, LONGEST_FORM) == owner


def _read(serializer: URLSafeTimedSerializer, text: str, seconds: int) -> str | None:
    try:
        return str(serializer.loads(text, max_age=seconds))
    except BadSignature:
        return None


def secret_of(home: Path) -> str:
    """The service's secret for signatures, in a file that only its user can read; made once."""
    path = home / "page.secret"
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=home, encoding="ascii") as file:  # nobody else may read it
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
            # whole or not at all; of two processes that start at once, one is first
            with suppress(FileExistsError):
                os.link(file.name, path)
    return path.read_text(encoding="ascii")
