"""Analysis of runs: metric directions, trees, comparisons, groups, importance, the Pareto front. Pure."""
