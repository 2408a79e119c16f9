"""The Run page: metrics, parameters, lineage and models of one run, and actions to change it."""
