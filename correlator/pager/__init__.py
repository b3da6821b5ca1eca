"""What leaves: incident events delivered to pagers, webhooks and terminals, each in order, none lost."""
