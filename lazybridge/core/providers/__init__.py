"""Providers: one class for each vendor. Nothing here is imported until a model needs it."""
