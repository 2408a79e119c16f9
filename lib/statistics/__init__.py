"""Statistics on plain numbers: summaries of samples, tests between them, corrections, regression. Pure; SciPy and statsmodels do the work."""
