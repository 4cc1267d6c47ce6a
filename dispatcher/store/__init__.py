"""Where state lives: one protocol, and the stores that keep it."""
