"""Tools of the Model Context Protocol over the HTTP API: the service serves them at `/mcp`, `akin mcp` on stdio.

Only `server` imports the package `mcp`, whose import takes longer than a search.
"""
