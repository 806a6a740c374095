"""A trained encoder at work: pages, search, export, inspection."""
