"""The library of embeddings: store, matrix, index, query. Works without torch."""
