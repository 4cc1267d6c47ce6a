"""The code graph: what the source holds, who uses whom, and which text is where."""
