"""The client of the service: requests as values, and two thin transports that send them."""
