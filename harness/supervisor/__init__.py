"""What runs beside a rank or a command, one process each: starts it, reads its rings, answers the watchdog."""
