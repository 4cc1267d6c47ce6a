"""How good the contexts are: fixes mined from a repository's own history, replayed, and measured."""
