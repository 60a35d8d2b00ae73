"""Keys, HPKE envelopes, the Merkle log and pseudonyms."""
