"""What points to a function: values from 0 to 1, told from a failure's clues and the code graph. Pure."""
