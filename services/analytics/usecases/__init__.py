"""What analytics does: taking events in, answering for periods, reports, forgetting."""
