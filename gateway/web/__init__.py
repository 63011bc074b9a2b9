"""HTTP in: the one endpoint users call, and the operator's pages."""
