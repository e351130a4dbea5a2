"""Students that answer in turn: one base model in memory, and the adapters that were asked for on it."""

from __future__ import annotations

import contextlib
import gc
from collections import OrderedDict
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from trainer.merged import cast, predict_dtype
from trainer.model import add_adapter, load_model, load_tokenizer
from trainer.precision import pick_device
from trainer.specs import StudentSpec

MOST_ADAPTERS = 8
"""Adapters kept on a base; the one that was not asked for longest makes room for the next."""


class Students:
    """Loads students when they are asked for, in the precision of predictions.

    Predictions merge an adapter into its base, which makes it the only student in memory. Here adapters stay beside the
    base, so that the next question may be for another one.
    """

    def __init__(self) -> None:
        self._model: Any = None
        self._tokenizer: Any = None
        self._loaded: tuple[Any, ...] | None = None
        self._names: OrderedDict[Path, str] = OrderedDict()
        self._numbers = count()

    @contextlib.contextmanager
    def student(self, spec: StudentSpec, adapter: Path | None) -> Iterator[tuple[Any, Any]]:
        """The model, in evaluation mode, and the tokenizer of a student.

        Args:
            spec: the config's `student`.
            adapter: what training left; None is the untrained student.

        Raises:
            ModelError: weights or adapter are missing or unreadable.
        """
        whole = adapter if spec.method == "full" else None
        self._load(spec, whole)
        if adapter is not None and whole is None:
            self._activate(adapter)
        elif isinstance(self._model, PeftModel):
            with self._model.disable_adapter():
                yield self._model, self._tokenizer
            return
        yield self._model, self._tokenizer

    def _load(self, spec: StudentSpec, whole: Path | None) -> None:
        """Load the base, unless it is there already. There may be no room for two, so the old one goes first."""
        wanted = (spec.model, spec.method, spec.dtype, whole)
        if wanted == self._loaded:
            return
        self._model = self._tokenizer = self._loaded = None
        self._names.clear()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        # as in `trainer.predict`: an adapter goes on the weights that it was trained on, whatever the precision afterwards
        dtype = predict_dtype(pick_device(), spec) if spec.method == "full" else None
        tokenizer, model = load_tokenizer(spec), load_model(spec, whole, trainable=False, dtype=dtype)
        if spec.method != "qlora":
            cast(model, predict_dtype(model.device, spec))
        self._model, self._tokenizer, self._loaded = model, tokenizer, wanted

    def _activate(self, adapter: Path) -> None:
        if adapter in self._names:
            self._model.set_adapter(self._names[adapter])
        else:
            name = f"student{next(self._numbers)}"
            self._model = add_adapter(self._model, adapter, name=name).eval()
            self._names[adapter] = name
        self._names.move_to_end(adapter)
        while len(self._names) > MOST_ADAPTERS:
            self._model.delete_adapter(self._names.popitem(last=False)[1])
