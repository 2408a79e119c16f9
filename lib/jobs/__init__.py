"""Jobs that outlive the server: a folder with the order, the state and the log (`job_folder`), the queue (`job_queue`), and the process that runs one (`job_runner`)."""
