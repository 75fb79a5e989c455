"""What a rank is told: settings, their schema, and which variant of each mechanism it has."""
