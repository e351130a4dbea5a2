"""`pada serve` for `soak.py`: its workers have a scripted student and an embedder without a model; all else is real.

python benchmarks/soak_service.py                  serve, by the settings in the environment
python benchmarks/soak_service.py RUN TOKEN        one worker, started by the supervisor
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent))

TRAINING_SECONDS = float(os.environ.get("SOAK_TRAINING_SECONDS", "2"))
DIMENSIONS = 64


class WordEmbedder:
    """Embeds a text as its words, hashed."""

    def __init__(self, _: str):
        pass

    async def start(self) -> None:
        """There is nothing to load."""

    async def aclose(self) -> None:
        """There is nothing to end."""

    async def embed(self, texts: list[str]) -> NDArray[np.float32]:
        """See `graphs.ports.Embedder`."""
        vectors = np.full((len(texts), DIMENSIONS), 1e-3, np.float32)
        for place, text in enumerate(texts):
            for word in text.split():
                vectors[place, hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


def work(arguments: list[str]) -> None:
    """Be a worker."""
    from app.engine import wiring
    from app.executor import worker
    from benchmarks.loop_student import ScriptedStudent

    @asynccontextmanager
    async def open_student(*_: Any) -> AsyncIterator[ScriptedStudent]:
        yield ScriptedStudent(TRAINING_SECONDS)

    vars(wiring).update(open_student=open_student, EmbeddingWorker=WordEmbedder)
    asyncio.run(worker.main(arguments))


def main() -> None:
    """Serve, or work on a run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("worker", nargs="*", help="RUN TOKEN, of a worker")
    if arguments := parser.parse_args().worker:
        work(arguments)
        return
    from app.cli.serve import serve
    from app.executor import supervisor
    from app.settings import Settings

    vars(supervisor)["python_module"] = lambda _, *arguments: [sys.executable, __file__, *arguments]
    serve(Settings())


if __name__ == "__main__":
    main()
