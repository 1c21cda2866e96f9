"""What builds and configures the containers; each script says in its first lines how it is called."""
