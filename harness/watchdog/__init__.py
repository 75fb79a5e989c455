"""What runs once a case: listens to all supervisors, proves or waits, judges, and ends what was started."""
