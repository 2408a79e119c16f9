"""What is wrong with a backend and how it is mended: checks that look (`checks`), findings that tell, cures that are previewed first (`cures`)."""
