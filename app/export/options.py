"""What an export is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["peft", "gguf", "ollama", "vllm", "hub"]


@dataclass(frozen=True)
class ExportOptions:
    """Where the student goes, and how it is checked."""

    to: Kind = "peft"
    merged: bool = False
    """The whole model instead of the adapter, where both can be."""
    quantization: Literal["f16", "q8_0"] = "f16"
    """Of a `.gguf` file."""
    check: int = 50
    """Maximum validation rows that are compared."""
    force: bool = False
    """Replace an earlier export."""
    repo: str | None = None
    """Name on the hub, `owner/name`."""
    push: bool = False
    """Upload to the hub; else only say what would be uploaded."""

    @property
    def gguf(self) -> bool:
        """Whether the model becomes one `.gguf` file."""
        return self.to in ("gguf", "ollama")

    @property
    def whole(self) -> bool:
        """Whether the adapter is merged into its base."""
        return self.merged or self.gguf
