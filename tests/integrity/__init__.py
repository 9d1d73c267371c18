"""Streams, overload and clients at scale. The suite runs a sample; `python -m tests.integrity` runs all of it."""
