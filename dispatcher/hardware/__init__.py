"""What memory there is: GPUs, RAM and the limits on it, behind one `probe()`; `watch()` tells how it changes."""
