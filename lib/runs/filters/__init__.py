"""Run filters: explaining the grammar, evaluating it on a table, and facets without a grammar. Pure."""
