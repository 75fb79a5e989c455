"""What lies in examples/, installed and run as a stranger would."""
