"""Questions about a scene whose truth is known, by group. Every answer is exact; what has no unambiguous answer is not asked."""
