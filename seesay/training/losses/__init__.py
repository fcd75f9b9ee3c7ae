"""Losses: pure functions of two blocks of vectors."""
