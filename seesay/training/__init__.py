"""Losses, recipes and what runs them. Needs the extra `[train]`."""
