//! What people and the API do to jobs and queues.
