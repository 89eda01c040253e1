"""What notification does: telling (rows), sending (mails), preferences, texts, forgetting."""
