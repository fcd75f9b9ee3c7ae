"""Training runs, each a function with a complete configuration."""
