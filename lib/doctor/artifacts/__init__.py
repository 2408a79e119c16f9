"""Where a backend keeps its files, judged: the rules, the inventory, the problems, and a trial file."""
