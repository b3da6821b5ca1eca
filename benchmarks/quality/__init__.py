"""Quality of grouping and of the named root: the engine and every baseline, on the same streams, by the same scorer."""
