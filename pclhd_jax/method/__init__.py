"""The paper: losses, prototypes, terms and steps, in pure jnp."""
