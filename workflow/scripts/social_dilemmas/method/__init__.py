"""The paper's method: play, credit, loss, one step; and the warm start before it."""
