"""Uploads an exported folder to the Hugging Face hub. The token comes from the environment, HF_TOKEN, and from nowhere else."""

from __future__ import annotations

import os
import re
from pathlib import Path

from app.errors import PadaError

NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def check_upload(repo: str | None, *, push: bool) -> str:
    """The name on the hub, checked before anything is written.

    Raises:
        PadaError: there is none, it is no name, or the token that an upload needs is missing.
    """
    if not repo or not NAME.fullmatch(repo):
        raise PadaError(f"--repo: {repo or 'nothing'} is no name on the hub. Give owner/name.")
    if push and not os.environ.get("HF_TOKEN"):
        raise PadaError("--push needs a token with write access in the environment variable HF_TOKEN.")
    return repo


def upload(folder: Path, repo: str, *, push: bool) -> str:
    """Upload a folder to a private repository, or say what would be uploaded.

    Raises:
        PadaError: the hub refuses, or cannot be reached. The folder is kept.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not push:
        listed = "\n".join(f"  {path.relative_to(folder)}  {path.stat().st_size:,} bytes" for path in files)
        return f"Nothing was uploaded. With --push, the private repository {repo} gets:\n{listed}"
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(token=os.environ["HF_TOKEN"])
    try:
        api.create_repo(repo, private=True, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=folder, commit_message="Export of pada")
    except (HfHubHTTPError, httpx2.HTTPError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise PadaError(f"Not uploaded to {repo}: {reason} The folder {folder} is complete.") from error
    return f"Uploaded {len(files)} files to {repo}. A new repository is private."
