"""What is known of models: their files, facts, memory and tokens, and the servers that run them."""
