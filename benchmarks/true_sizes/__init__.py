"""Checkpoints in the exact shapes of published models, with random weights, and what importing and serving them takes.

Needs the standard library only; `--check` needs torch and transformers.
"""
