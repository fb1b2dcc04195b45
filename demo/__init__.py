"""`make demo`: a failover from beginning to end on the embedded local AWS."""
