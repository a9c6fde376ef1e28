"""Compare two windows of queries, and measure how rankings change with small changes of a query."""
