"""A server that answers as the Hugging Face hub does where models and data sets are looked up and downloaded."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

from tests.http_server import QuietHandler, answering


@dataclass
class Repository:
    """A model or data set of the hub: revision -> path -> content. One revision is `main`."""

    revisions: dict[str, dict[str, bytes]]
    gated: bool = False
    """Only a token with rights opens it; here that is `hf_good`."""

    def commit(self, revision: str) -> str | None:
        """The hash of a branch, a tag or a commit."""
        hashes = {name: hashlib.sha1(name.encode()).hexdigest() for name in self.revisions}
        return hashes.get(revision) or next((each for each in hashes.values() if each == revision), None)

    def files(self, commit: str) -> dict[str, bytes]:
        """What a commit holds."""
        return next(files for name, files in self.revisions.items() if self.commit(name) == commit)


@dataclass
class HubServer:
    """`with HubServer({"owner/name": Repository(...)}) as hub:` listens at `hub.url`."""

    repositories: dict[str, Repository]
    """`owner/name` of a model, `datasets/owner/name` of a data set -> what is there."""
    fetched: list[str] = field(default_factory=list)
    """Files that were sent, as `owner/name/path`."""
    asked: int = 0
    """Requests of any kind."""

    def environment(self, cache: Path, **variables: str) -> dict[str, str]:
        """That of a process which knows this hub only. The library reads its settings once, when it is imported."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        return kept | {"HF_ENDPOINT": self.url, "HF_HOME": str(cache)} | variables

    def __enter__(self) -> Self:
        self._server = answering(type("Handler", (HubHandler,), {"hub": self}))
        self.url = self._server.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._server.__exit__(*error)


class HubHandler(QuietHandler):
    """Answers for `hub`."""

    hub: HubServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.hub.asked += 1
        self.read_body()
        asked = self.path.removeprefix("/api").removeprefix("/models").removeprefix("/").split("?")[0]
        parts = [unquote(part) for part in asked.split("/")]
        kind = [parts.pop(0)] if parts[0] == "datasets" else []
        name = "/".join(kind + parts[:2])
        what, revision, *path = parts[2:] or ("revision", "main")
        if what == "resolve":
            self.send_file(name, revision, "/".join(path))
        else:
            self.look_up(name, what, revision)

    do_HEAD = do_POST = do_GET

    def look_up(self, name: str, what: str, revision: str) -> None:
        if (commit := self.commit_of(name, revision)) is None:
            return
        files = self.hub.repositories[name].files(commit)
        found: Any = {"id": name, "sha": commit, "siblings": [{"rfilename": path} for path in files]}
        if what == "tree":
            found = [
                {"type": "file", "path": path, "size": len(data), "oid": etag(data)}
                for path, data in files.items()
            ]
        self.reply(200, json.dumps(found).encode(), {"Content-Type": "application/json"})

    def send_file(self, name: str, revision: str, path: str) -> None:
        if (commit := self.commit_of(name, revision)) is None:
            return
        data = self.hub.repositories[name].files(commit).get(path)
        if data is None:
            self.refuse(404, "EntryNotFound", "Entry not found")
            return
        if self.command == "GET":
            self.hub.fetched.append(f"{name}/{path}")
        self.reply(200, data, {"X-Repo-Commit": commit, "ETag": f'"{etag(data)}"'})

    def commit_of(self, name: str, revision: str) -> str | None:
        repository = self.hub.repositories.get(name)
        if repository is None:
            self.refuse(401, "RepoNotFound", "Repository not found")
            return None
        if repository.gated and self.headers.get("Authorization") != "Bearer hf_good":
            self.refuse(401, "GatedRepo", "Access to this model is restricted")
            return None
        if (commit := repository.commit(revision)) is None:
            self.refuse(404, "RevisionNotFound", "Invalid rev id")
        return commit

    def refuse(self, status: int, code: str, message: str) -> None:
        self.reply(status, b"{}", {"X-Error-Code": code, "X-Error-Message": message})


def etag(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()
