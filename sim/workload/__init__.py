"""What arrives and what comes of it: arrival times, request logs, records of requests and jobs."""
