"""The side of LIBERO: a program that runs in the environment of `scripts/oracles libero`. Here only `messages` is imported from it."""
