"""The dependency graph of services, hosts and queues."""
