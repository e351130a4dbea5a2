"""Ollama's Modelfile for a student."""

from __future__ import annotations

from typing import Any

from trainer.chat import ASKED, SYSTEM, ChatTemplate, uses_chat
from trainer.specs import StudentSpec

QUOTES = '"""'


def modelfile(file: str, tokenizer: Any, student: StudentSpec, stops: list[int], limit: int) -> str:
    """The Modelfile: the `.gguf` file beside it, the student's template, and greedy decoding that stops where it should.

    Args:
        file: name of the `.gguf` file.
        tokenizer: the student's.
        student: its template.
        stops: tokens that end a reply.
        limit: maximum tokens of a reply.
    """
    lines = [f"FROM ./{file}", f"TEMPLATE {QUOTES}{template(tokenizer, student)}{QUOTES}"]
    lines += [f'PARAMETER stop "{tokenizer.convert_ids_to_tokens(token)}"' for token in stops]
    lines += [
        "PARAMETER temperature 0",
        f"PARAMETER num_ctx {student.max_length + limit}",
        f"PARAMETER num_predict {limit}",
    ]
    return "\n".join(lines) + "\n"


def template(tokenizer: Any, student: StudentSpec) -> str:
    """One question and its answer in Ollama's template language, read off what the chat template writes."""
    if not uses_chat(tokenizer, student):
        return "{{ .Prompt }}"
    chat = ChatTemplate(tokenizer, student)
    before, _, after = chat.prompt([ASKED]).partition(ASKED["content"])
    with_system = chat.prompt([SYSTEM, ASKED])
    opening, _, rest = with_system.partition(SYSTEM["content"])
    between = rest.partition(ASKED["content"])[0]
    return f"{{{{ if .System }}}}{opening}{{{{ .System }}}}{between}{{{{ else }}}}{before}{{{{ end }}}}{{{{ .Prompt }}}}{after}"
