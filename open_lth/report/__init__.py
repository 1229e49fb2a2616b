"""One self-contained HTML page of figures, tables and where they come from."""
