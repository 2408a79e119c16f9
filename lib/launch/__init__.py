"""Training as a job: the demos on offer (`catalogue`), their scripts (`scripts`), and jobs that outlive the server (`jobs`)."""
