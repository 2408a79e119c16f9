"""What runs say together: directions of metrics, trees, comparisons, groups, importance, the Pareto front. Pure."""
