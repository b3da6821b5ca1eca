"""Why: what an engine decided, set out for a human, with what would have to be true for it to decide otherwise."""
