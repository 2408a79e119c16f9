"""Plots of runs, each a pure function from a run table to an Altair chart. Which plot shows which runs is left to the pages."""
