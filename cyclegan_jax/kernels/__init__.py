"""The operations of the networks, each in the form that is fastest on its platform; imports nothing but JAX."""
