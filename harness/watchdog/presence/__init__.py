"""Who is there, who is silent, who is lost, and on which hosts."""
