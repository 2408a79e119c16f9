"""Jobs that outlive the server: a job's folder (`job_folder`), the queue (`job_queue`), and the process that runs one (`job_runner`)."""
