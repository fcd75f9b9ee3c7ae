"""An encoder in, a table of numbers out."""
