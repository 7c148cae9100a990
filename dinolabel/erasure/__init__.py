"""Forgetting somebody: everything we keep of a name, its crops, its embeddings and the heads that learnt them; and what is out of reach."""
