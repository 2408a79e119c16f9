"""Parts of the Compare page: view state, queries, toolbar, one module per plot, table, and side-by-side comparison."""
