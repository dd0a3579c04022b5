"""Amzigo's data platform. For notebooks: `amzigo_pipelines.connect("A1B2C3")`; everything else is in the modules."""

from amzigo_pipelines.notebooks import connect

__all__ = ["connect"]
