"""The demos: what they are (`catalogue`) and their start as jobs (`demo_jobs`)."""
