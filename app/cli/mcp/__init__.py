"""`pada mcp`: runs for coding agents, by the Model Context Protocol."""
