"""The mathematics of a bisection: which launches to make next, and what follows from those that were judged. Pure."""
