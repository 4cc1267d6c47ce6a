"""From failing tests to tasks: run pytest where the project runs it, and make sense of what fails."""
