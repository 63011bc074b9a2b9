"""What the gateway does: each action of the API from request to reply."""
