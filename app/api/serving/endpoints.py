"""`/v1/models`, `/v1/chat/completions`, `/v1/completions`: ask trained students as clients of OpenAI's API do."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from app.api.keys.auth import Caller, Reader
from app.api.openai_errors import ErrorAnswer, OpenAIRoute, openai_errors
from app.api.serving.answers import respond
from app.api.serving.schemas import (
    AnswerRequest,
    ChatCompletion,
    ChatRequest,
    Completion,
    CompletionRequest,
    ModelCard,
    ModelList,
)
from app.api.serving.students import Student, all_students, find_student, question_to
from trainer.records import Example, Message

router = APIRouter(prefix="/v1", tags=["serving"], route_class=OpenAIRoute)

STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"example": "data: {...}"}}},
    503: {"model": ErrorAnswer, "description": "No student can answer at the moment."},
}


@router.get("/models", summary="List students", responses=openai_errors())
async def models(request: Request, caller: Reader) -> ModelList:
    """The students of your newest 1,000 runs that have scored a baseline. Each can be asked."""
    found = all_students(request.app.state.reads, caller.sees)
    return ModelList(data=[card(student) async for student in found])


@router.get("/models/{model}", summary="Show a student", responses=openai_errors())
async def model(request: Request, caller: Reader, model: Annotated[str, Path(max_length=100)]) -> ModelCard:
    """One student."""
    return card(await find_student(request, caller, model))


def card(student: Student) -> ModelCard:
    """A student as OpenAI's API describes models."""
    return ModelCard(id=student.name, created=int(student.run.created))


@router.post(
    "/chat/completions",
    summary="Ask a student",
    response_model=ChatCompletion,
    responses=openai_errors() | STREAM,
)
async def chat(request: Request, body: ChatRequest, caller: Reader) -> Response:
    """The student's reply to a chat. The input is rendered as the run renders a row, and the reply ends as there, so
    that the reply without sampling is the prediction. Of a task with options the likeliest one is the reply."""
    turns = [message.turn() for message in body.messages]
    messages = [Message(**turn) for turn in turns]
    example = Example(id="", prompt=messages[-1].content, completion="", messages=messages)
    return await ask(request, body, caller, example)


@router.post(
    "/completions",
    summary="Let a student go on with a text",
    response_model=Completion,
    responses=openai_errors() | STREAM,
)
async def complete(request: Request, body: CompletionRequest, caller: Reader) -> Response:
    """How the student goes on with a text, which it reads as it is."""
    return await ask(request, body, caller, Example(id="", prompt=body.text, completion=""), raw=True)


async def ask(
    request: Request, body: AnswerRequest, caller: Caller, example: Example, *, raw: bool = False
) -> Response:
    """Ask the student that the body names."""
    student = await find_student(request, caller, body.model)
    settings = request.app.state.settings
    question = await question_to(student, settings, example, raw=raw, **body.sampling())
    return await respond(request, body, question)
