"""Other task queues on Redis, doing the same work. Run by a Python that has them: they are no dependencies of ours.

Each module declares the task that a worker process runs, and is a process that makes load when it is run: the same
rollouts, each a job whose result its requester waits for and reads.
"""
