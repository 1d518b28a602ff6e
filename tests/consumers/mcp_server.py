"""An MCP server over stdio, with a tool that gives several items."""

from __future__ import annotations

from mcp.server.fastmcp import FastMCP
from mcp.types import TextContent

server = FastMCP("weather")


@server.tool()
def temperatures(cities: list[str]) -> list[TextContent]:
    """Give the temperature of each city.

    Args:
        cities: The cities' names.
    """
    return [TextContent(type="text", text=f"{city}: {len(city)}") for city in cities]


if __name__ == "__main__":
    server.run("stdio")
