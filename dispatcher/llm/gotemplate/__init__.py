"""Go's text/template, as much of it as the chat templates of Ollama's models use."""
