"""Child processes: run within bounds, and ended with all that they have started."""
