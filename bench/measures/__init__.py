"""What is measured. A measure takes the arena and returns a section of the report."""
