"""The interfaces that the loop needs: teacher, student and embedder. They are bound to the nodes and never in the state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from pydantic import BaseModel

from trainer.specs import PredictReport, PredictSpec, TrainReport, TrainSpec

if TYPE_CHECKING:  # the service imports this module and starts faster without numpy
    import numpy as np
    from numpy.typing import NDArray

Role = Literal["analyst", "generator", "judge"]
Answer = TypeVar("Answer", bound=BaseModel)


class Teacher(Protocol):
    """A large model that answers in a schema."""

    async def ask(self, role: Role, schema: type[Answer], instructions: str, data: dict[str, Any]) -> Answer:
        """One structured answer.

        Args:
            role: which endpoint and model answers.
            schema: the class of the answer; its name is the schema name in the request.
            instructions: the system message; trusted text from `prompts/`.
            data: untrusted text from rows or models; sent as one JSON object between `<data>` and `</data>`.

        Raises:
            BudgetExhausted, EndpointDown, TooManyUnanswered: the run pauses.
            UnansweredError: the endpoint cannot answer this call, and may answer others.
            TeacherError: the endpoint cannot be used.
        """
        ...


class Student(Protocol):
    """Fine-tunes and predicts, in a process of its own."""

    async def fine_tune(self, spec: TrainSpec) -> TrainReport:
        """Train and predict. A finished report at `spec.output` is returned without training again.

        Raises:
            TrainerError: with the trainer's own message.
        """
        ...

    async def predict(self, spec: PredictSpec) -> PredictReport:
        """Predict only. A finished report at `spec.output` is returned without predicting again."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors."""

    async def embed(self, texts: list[str]) -> NDArray[np.float32]:
        """Unit vectors, shape (len(texts), dimensions), float32."""
        ...
