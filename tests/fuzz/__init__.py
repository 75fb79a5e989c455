"""Everything that reads what others have written, with strange inputs."""
