"""How good is a model: the paper's protocol on synthetic people it has never seen, and on real drivers."""
