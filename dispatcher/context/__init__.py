"""What the model reads, and the window that it reads it in."""
