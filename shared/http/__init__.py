"""What stands between the network and a service: request ids, body limits, keys, and errors as problem documents."""
