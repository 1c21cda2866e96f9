"""The documentation; what makes pages of it is run from the project's folder."""
