"""Diagnosis of a backend's artifact locations: rules, inventory, problem texts, folder search, and write test."""
