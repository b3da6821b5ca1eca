"""Learned things only: what is fitted on data, saved with its provenance and loaded by the shell."""
