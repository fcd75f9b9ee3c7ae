"""What every room may use: errors, tables, paths. Closed: three or more users to enter."""
