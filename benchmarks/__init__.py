"""What the product's figures are measured with; each module is a command."""
