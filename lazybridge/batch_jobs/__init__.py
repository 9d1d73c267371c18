"""Batches: many conversations handed in at once, answered within a day at a lower price."""

from __future__ import annotations

from lazybridge.batch_jobs.job import Batch
from lazybridge.batch_jobs.submission import abatch, batch

__all__ = ["Batch", "abatch", "batch"]
