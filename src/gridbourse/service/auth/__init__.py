"""Who asks: passwords and kept keys, Sign-In with Ethereum, sessions and API tokens."""
