"""How commands write for people: colours, tables, times, values."""
