"""Learned things only: what is fitted on data, saved with its provenance and loaded by the shell.

A model meets the engine through a Protocol of the engine's alone; neither imports the other.
"""
