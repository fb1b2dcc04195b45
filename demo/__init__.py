"""`make demo`: a failover, a hold and a drill from beginning to end on the embedded local AWS."""
