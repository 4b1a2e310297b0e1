"""The families of work: a module each few families, `FAMILIES` of all."""

from __future__ import annotations

from . import generative, pictures, policies, structures, tables

__all__ = ["FAMILIES"]

FAMILIES = {
    **tables.FAMILIES,
    **structures.FAMILIES,
    **pictures.FAMILIES,
    **generative.FAMILIES,
    **policies.FAMILIES,
}
"""The tasks of each family, by its name."""
