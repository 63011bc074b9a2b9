"""What may be lost: quick copies in Redis or in this process, never the only copy of anything."""
