"""What the operator may set, as frozen values: providers.yaml and the environment."""
