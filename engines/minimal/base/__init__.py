"""What all rooms stand on: protocols, batches, requests, blocks."""
