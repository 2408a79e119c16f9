"""Podium without a browser: a folder per word the user says. Imports go down only (see pyproject.toml)."""
