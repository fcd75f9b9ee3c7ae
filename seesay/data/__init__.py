"""Many examples in order: datasets, shards, shuffling, loaders."""
