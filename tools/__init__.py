"""What makes files from the contracts: generated Python, the edge's descriptor set, API and event documentation."""
