"""Statistics on plain numbers: sample summaries, hypothesis tests, corrections, regression. Pure; based on SciPy and statsmodels."""
