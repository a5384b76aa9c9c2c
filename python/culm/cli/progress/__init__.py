"""How commands follow a workflow, and show it going on."""
