"""What a machine may lack."""
