"""What runs the project under ASGI: the threads of requests, and the end of the process."""
