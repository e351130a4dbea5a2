"""A coding agent: the client of the `mcp` package, connected to `pada mcp` over stdio."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.types import CallToolResult, TextContent

from tests.command import PADA, environment


class Agent:
    """A client that has connected."""

    def __init__(self, client: Client):
        self.client = client
        self.heard = ""
        """All that the server has answered."""

    async def call(self, tool: str, **arguments: Any) -> Any:
        """The answer of a tool."""
        result = await self.client.call_tool(tool, arguments)
        self.heard += result.model_dump_json()
        assert not result.is_error, result.content
        assert json.loads(text_of(result)) == result.structured_content
        return result.structured_content

    async def refused(self, tool: str, **arguments: Any) -> str:
        """The error of a tool."""
        result = await self.client.call_tool(tool, arguments)
        self.heard += result.model_dump_json()
        assert result.is_error
        return text_of(result)


def text_of(result: CallToolResult) -> str:
    """The one text that a tool has answered."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@asynccontextmanager
async def agent(folder: Path, **variables: str) -> AsyncIterator[Agent]:
    """A server that may use one folder."""
    server = StdioServerParameters(
        command=PADA, args=["mcp", "--folder", str(folder)], env=environment() | variables, cwd=folder.parent
    )
    async with Client(stdio_client(server)) as client:
        yield Agent(client)
