"""Training of the starter model, from known factors to the joined network."""
